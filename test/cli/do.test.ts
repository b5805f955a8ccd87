/** Requests in words, as far as no engine is needed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Plan } from '../../src/schema/index.ts'
import { countRuns, openexec, testDirectory, testRepository } from '../helpers/cli.ts'

const BIN = fileURLToPath(new URL('../../bin/openexec.js', import.meta.url))
const env = { DOCKER_HOST: 'unix:///nowhere/engine.sock' }
const FILES = { 'src/cache.js': 'export function fillCache(rows) {\n  return rows\n}\n' }

test('route says what would be done and why, without a repository', async () => {
  using place = testDirectory()
  const run = (...args: string[]) => openexec(['route', ...args], { cwd: place.path, env })
  const plain = await run('Fix the crash in src/a.ts', '--explain')
  expect(plain.stdout).toMatch(/^run backend_bugfix {2}coding_backend .*\n {2}because bugfix: /)
  const { stdout } = await run('Why is the build slow?', '--json')
  expect(Plan.parse(JSON.parse(stdout))).toMatchObject({ mode: 'chat', toolset: 'repo_readonly' })
})

test('route refuses an address that is not of this machine', async () => {
  using place = testDirectory()
  const remote = {
    ...env,
    OPENEXEC_ROUTER_URL: 'http://example.com/v1',
    OPENEXEC_ROUTER_MODEL: 'm',
  }
  const { code, stderr } = await openexec(['route', 'x'], { cwd: place.path, env: remote })
  expect(code).toBe(2)
  expect(stderr).toContain('expected an address of this machine')
})

test('do runs nothing for a request that asks for no work', async () => {
  using repository = testRepository(FILES)
  const run = (...args: string[]) => openexec(['do', ...args], { cwd: repository.path, env })
  const asked = await run('Where is the cache filled?')
  expect(asked).toMatchObject({ code: 2, stdout: '' })
  expect(asked.stderr).toContain('Cannot tell what is to be done')
  const noted = await run('Run the tests', '--mode', 'task')
  expect(noted.code).toBe(0)
  expect(noted.stdout).toMatch(/^task_/)
  // What it would take to run is looked for, and told.
  expect((await run('Run the tests')).stderr).toMatch(/engine/i)
  expect((await run('Run the tests', '--timeout', 'soon')).stderr).toContain('--timeout "soon"')
  expect(countRuns(repository)).toBe(0)
})

test('chat takes one request a line, in one session, and goes on after a failure', async () => {
  using repository = testRepository(FILES)
  const child = spawn(process.execPath, [BIN, 'chat'], {
    cwd: repository.path,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => (output[name] += chunk.toString()))
  child.stdin.end('Run the tests\n\nWhere does fillCache get its rows?\n')
  const [code]: unknown[] = await once(child, 'close')
  expect({ code, ...output }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^src\/cache\.js:1 {2}.*fillCache/),
    stderr: expect.stringMatching(/Cannot reach an engine[\s\S]*chat {2}repo_readonly/),
  })
})
