import { mkdirSync, mkdtempSync, existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openApp } from '../../src/app.ts'
import { bodyOf, createClient } from '../../src/cli/client.ts'
import { readConfig } from '../../src/config.ts'
import { processOwner } from '../../src/sandbox/index.ts'

test('gc() does without an engine what needs none, and says what it could not look for', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'openexec-gc-'))
  const stateDir = join(directory, 'state')
  const config = readConfig({ ...process.env, DOCKER_HOST: `unix://${directory}/none.sock` })
  const app = openApp({
    config,
    stateDir,
    cwd: directory,
    log: { info: () => {}, warn: () => {} },
    signal: new AbortController().signal,
    detach: undefined,
  })
  onTestFinished(async () => {
    await app.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const [, place = ''] = processOwner().split('@')
  const dead = join(stateDir, 'pool', `999999999_1_${place}`)
  mkdirSync(join(dead, 'sbx_1', 'tree'), { recursive: true })
  const client = createClient('http://test.internal', app.fetch)
  const report = await bodyOf(client.v1.gc.$post({ json: { olderThanMs: 0, keep: 0 } }))
  expect(report).toMatchObject({ runs: [], documents: [], containers: [], workspaces: [dead] })
  expect(report.engine).toMatch(/^Cannot reach an engine at /)
  expect(existsSync(dead)).toBe(false)
})
