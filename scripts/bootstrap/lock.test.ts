import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { holdLock } from './lock.mjs'

function lockFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'lock')
}

test('holdLock() names its process and leaves nothing behind', async () => {
  const file = lockFile()
  const release = await holdLock(file)
  expect(readFileSync(file, 'utf8')).toBe(String(process.pid))
  release()
  expect(existsSync(file)).toBe(false)
})

test('holdLock() waits for a living process', async () => {
  const file = lockFile()
  const release = await holdLock(file)
  let got = false
  const second = holdLock(file).then((releaseSecond) => {
    got = true
    return releaseSecond
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(got).toBe(false)
  release()
  const releaseSecond = await second
  releaseSecond()
})

test('holdLock() takes over from a dead process', async () => {
  const file = lockFile()
  const { pid } = spawnSync('true')
  writeFileSync(file, String(pid))
  const release = await holdLock(file)
  expect(readFileSync(file, 'utf8')).toBe(String(process.pid))
  release()
})
