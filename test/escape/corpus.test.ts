/**
 * The escape corpus on a real engine: every attempt where nothing prevents it, and in a sandbox.
 * docs/escape-corpus.md shows the table and which controls worked where it was last written, with
 * OPENEXEC_WRITE_GOLDEN=1.
 */
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { afterAll, beforeAll, expect } from 'vitest'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { run, sandboxBench, TEST_USER } from '../helpers/sandbox.ts'
import { type Arena, openArena } from './arena.ts'
import { CORPUS, PROVEN_MIN } from './corpus.ts'
import { CONTROLS_FILE, type MeasuredControls } from './document.ts'

const INSTANCE = 'test-escape'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
let arena: Arena
let proven = 0

beforeAll(async () => {
  arena = await openArena({ bench, engine: testEngine(), instance: INSTANCE }, CORPUS)
})
afterAll(async () => {
  await Promise.all([bench.closeAll(), arena?.close()])
})

for (const attempt of CORPUS) {
  const { what, control } = attempt
  dockerTest(`a sandbox does not let anybody ${what}`, async () => {
    const free = arena.free.get(attempt) ?? ''
    const confined = await arena.confined(attempt)
    expect(confined.stdout).not.toContain('ESCAPED')
    expect(confined.timedOut).toBe(false)
    if (free.includes('ESCAPED')) proven++
    // Either the attack works there, or this machine has nothing to attack.
    else expect(free, `control in "${control}"`).toContain('ABSENT')
  })
}

dockerTest(`at least ${PROVEN_MIN} attempts are shown to work where nothing prevents them`, () => {
  expect(proven).toBeGreaterThanOrEqual(PROVEN_MIN)
  if (process.env['OPENEXEC_WRITE_GOLDEN'] === '1') writeControls()
})

dockerTest('nobody inside can end or stop the supervisor', async () => {
  const signals = ['KILL', 'TERM', 'STOP', 'INT', 'HUP', 'SEGV', 'USR1', 'PIPE']
  await run(arena.sandbox, signals.map((name) => `kill -${name} 1`).join('; '))
  await run(arena.sandbox, 'kill -KILL -1')
  expect((await run(arena.sandbox, 'echo alive')).stdout).toBe('alive\n')
})

dockerTest('nobody inside can change the supervisor', async () => {
  const { exitCode } = await run(
    arena.sandbox,
    '(: >> /.openexec/supervisor) || touch /.openexec/x || rm -f /.openexec/supervisor',
  )
  expect(exitCode).not.toBe(0)
})

dockerTest('a set-id program runs, and gives nobody another identity', async () => {
  const { stdout } = await run(arena.sandbox, 'ls -l set-uid; /workspace/set-uid -u')
  expect(stdout).toContain('-rwsr-xr-x')
  expect(stdout.trim().split('\n').at(-1)).toBe(String(TEST_USER.uid))
})

dockerTest('no image of ours holds a set-id program', async () => {
  const { stdout } = await run(arena.sandbox, 'find / -xdev -perm /6000 -type f 2>/dev/null')
  expect(stdout).toBe('')
})

dockerTest('a sandbox sees only processes of its own', async () => {
  const { stdout } = await run(arena.sandbox, 'ls -d /proc/[0-9]* | wc -l')
  expect(Number(stdout)).toBeLessThan(10)
})

dockerTest('a sandbox is told neither the name nor the environment of its host', async () => {
  const { stdout } = await run(arena.sandbox, 'cat /etc/hostname /proc/sys/kernel/hostname; env')
  expect(stdout).toMatch(/^sandbox\nsandbox\n/)
  for (const name of ['PWD', 'HOME', 'PATH']) {
    const value = process.env[name]
    if (value !== undefined && value.length > 10) expect(stdout).not.toContain(value)
  }
})

dockerTest('the engine keeps no log of a sandbox, as it does of a plain container', async () => {
  const { docker } = testEngine()
  const drivers = await Promise.all(
    [arena.container, arena.controls.plain.id].map(async (id) => {
      const { HostConfig } = await docker.getContainer(id).inspect()
      return HostConfig.LogConfig?.Type
    }),
  )
  expect(drivers[0]).toBe('none')
  expect(drivers[1]).not.toBe('none')
})

/** The document says what was measured, and where. */
function writeControls(): void {
  const measured: MeasuredControls = {
    machine: `Linux ${release().split('-')[0]}, ${process.arch}, Docker Engine ${testEngine().version}, control groups v${testEngine().cgroupVersion}`,
    absent: Object.fromEntries(
      CORPUS.filter((attempt) => arena.free.get(attempt)?.includes('ESCAPED') !== true).map(
        (attempt) => [
          attempt.what,
          /ABSENT (.*)/.exec(arena.free.get(attempt) ?? '')?.[1] ?? 'no such file',
        ],
      ),
    ),
  }
  writeFileSync(CONTROLS_FILE, `${JSON.stringify(measured, undefined, 2)}\n`)
}
