import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { poolDirectory, sweepPoolSlots } from './pool-slots.ts'
import { processOwner } from './process-owner.ts'

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'openexec-pool-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('sweepPoolSlots() removes what dead processes left, and nothing else', async () => {
  const all = directory()
  const own = poolDirectory(all, processOwner())
  const [, place = ''] = processOwner().split('@')
  const dead = poolDirectory(all, `999999999:1@${place}`)
  mkdirSync(join(dead, 'sbx_1', 'tree'), { recursive: true })
  const elsewhere = poolDirectory(all, `1:1@${'0'.repeat(16)}`)
  mkdirSync(join(all, 'notes'))
  await expect(sweepPoolSlots(all)).resolves.toEqual([dead])
  expect([own, elsewhere, join(all, 'notes'), dead].map((path) => existsSync(path))).toEqual([
    true,
    true,
    true,
    false,
  ])
})

test('sweepPoolSlots() is quiet where there never was a pool', async () => {
  await expect(sweepPoolSlots(join(directory(), 'none'))).resolves.toEqual([])
})
