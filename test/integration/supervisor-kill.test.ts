import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import type { Pipe } from '../../src/sandbox/pipe.ts'
import {
  build,
  capture,
  command,
  processes,
  startHost,
  supervisorTest,
  until,
} from '../helpers/supervisor.ts'

const root = mkdtempSync(join(tmpdir(), 'openexec-root-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const shell = (text: string) => command('sh', '-c', text)
let serial = 0

/** A sleep no other process on this machine has, so that its survivors can be counted. */
function mark(): { sleep: string; alive: () => number } {
  const sleep = `sleep 86${process.pid}.${++serial}`
  const alive = () =>
    processes(sleep).filter(({ state, line }) => state !== 'Z' && line === `${sleep} `).length
  return { sleep, alive }
}

/** Starts the script and waits until as many marked processes run as it should start. */
async function startAndCount(pipe: Pipe, script: string, count: { of: () => number; to: number }) {
  const running = pipe.start(shell(script), { onOutput: () => {} })
  await until(`${count.to} processes run`, () => count.of() >= count.to)
  return running
}

/** Each leaves processes that ignore or evade an ordinary kill of the process group. */
const EVASIONS: [string, (sleep: string) => string, number][] = [
  ['an ignored SIGTERM', (sleep) => `trap "" TERM HUP INT; ${sleep} & ${sleep} & wait`, 2],
  ['a session of its own', (sleep) => `setsid ${sleep} & setsid ${sleep} & wait`, 2],
  ['a double fork', (sleep) => `(setsid ${sleep} & setsid ${sleep} &) ; sleep 30`, 2],
  [
    'a double fork out of a double fork',
    (sleep) =>
      `(setsid sh -c '(setsid sh -c "${sleep} & exec ${sleep}" &) ; ${sleep}' &); sleep 30`,
    3,
  ],
  [
    'stopped processes',
    (sleep) => `${sleep} & a=$!; ${sleep} & sleep 0.1; kill -STOP $a $!; wait`,
    2,
  ],
  [
    'a stopped tree',
    (sleep) => `setsid sh -c '${sleep} & sleep 0.1; kill -STOP $$ $!' & ${sleep} & wait`,
    2,
  ],
  [
    'a process that starts others as fast as it can',
    (sleep) => `setsid sh -c 'while :; do (setsid ${sleep} &) ; done' & wait`,
    20,
  ],
]

for (const [what, script, count] of EVASIONS) {
  supervisorTest(`kill() leaves no process behind: ${what}`, async () => {
    await using host = startHost(build('supervisor'), root)
    const pipe = await host.open()
    const { sleep, alive } = mark()
    const running = await startAndCount(pipe, script(sleep), { of: alive, to: count })
    running.kill()
    expect(await running.result).toMatchObject({ killed: true, signal: 'SIGKILL' })
    expect(alive()).toBe(0)
  })

  supervisorTest(`the end of a command leaves no process behind: ${what}`, async () => {
    await using host = startHost(build('supervisor'), root)
    const pipe = await host.open()
    const { sleep, alive } = mark()
    const ending = script(sleep).replace(/(wait|sleep 30)$/, 'exec sleep 1')
    const running = await startAndCount(pipe, ending, { of: alive, to: count })
    expect(await running.result).toMatchObject({ killed: false, exitCode: 0 })
    expect(alive()).toBe(0)
  })
}

supervisorTest('kill() of one command leaves the others alone', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const [victim, other] = [mark(), mark()]
  const script = (sleep: string) => `(setsid ${sleep} &) ; ${sleep}`
  const doomed = await startAndCount(pipe, script(victim.sleep), { of: victim.alive, to: 2 })
  const spared = await startAndCount(pipe, script(other.sleep), { of: other.alive, to: 2 })
  doomed.kill()
  await doomed.result
  expect([victim.alive(), other.alive()]).toEqual([0, 2])
  spared.kill()
  await spared.result
  expect(other.alive()).toBe(0)
})

supervisorTest(
  'a command that kills the one who watches over it is killed with all it started',
  async () => {
    await using host = startHost(build('supervisor'), root)
    const pipe = await host.open()
    const [hostile, other] = [mark(), mark()]
    const spared = await startAndCount(pipe, other.sleep, { of: other.alive, to: 1 })
    const result = await capture(
      pipe,
      shell(
        `(setsid ${hostile.sleep} &) ; ${hostile.sleep} & sleep 0.1; kill -KILL $PPID; exec ${hostile.sleep}`,
      ),
    )
    expect(result).toMatchObject({ exitCode: null, signal: 'SIGKILL', killed: false })
    expect([hostile.alive(), other.alive()]).toEqual([0, 1])
    spared.kill()
    await spared.result
  },
)

supervisorTest('a command that stops the one who watches over it still ends', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const { sleep, alive } = mark()
  const script = `kill -STOP $PPID; (setsid ${sleep} &); exit 4`
  expect(await capture(pipe, shell(script))).toMatchObject({ exitCode: 4 })
  expect(alive()).toBe(0)
  const stopping = `(while :; do kill -STOP $PPID; done) & ${sleep}`
  const result = await capture(pipe, { ...shell(stopping), timeoutMs: 300 })
  expect(result).toMatchObject({ timedOut: true })
  expect(result.insideMs).toBeLessThan(5_000)
  expect(alive()).toBe(0)
})

supervisorTest('keepDescendants leaves a daemon running until the sandbox ends', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const { sleep, alive } = mark()
  const request = { ...shell(`echo started; setsid ${sleep} & exit 0`), keepDescendants: true }
  expect(await capture(pipe, request)).toMatchObject({ exitCode: 0, stdout: 'started\n' })
  await until('the daemon runs', () => alive() === 1)
  expect(await capture(pipe, command('true'))).toMatchObject({ exitCode: 0 })
  expect(alive()).toBe(1)
  pipe.shutdown()
  expect(await host.exited).toBe(0)
  expect(alive()).toBe(0)
})

supervisorTest('processes whose parent has gone are reaped while the command runs', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const script =
    'i=0; while [ $i -lt 100 ]; do (true &) ; i=$((i+1)); done; echo done; exec sleep 30'
  let output = ''
  const running = pipe.start(shell(script), {
    onOutput: (_, chunk) => void (output += Buffer.from(chunk).toString()),
  })
  await until('all have been started', () => output.includes('done'))
  const warden = processes('').find(({ parent }) => parent === host.pid)?.pid
  const zombies = () =>
    processes('').filter(
      ({ parent, state }) => state === 'Z' && (parent === warden || parent === host.pid),
    )
  await until('no zombie is left', () => zombies().length === 0)
  running.kill()
  await running.result
  const children = () => processes('').filter(({ parent }) => parent === host.pid)
  await until('the supervisor has no child left', () => children().length === 0)
})

supervisorTest(
  'the end of the supervisor, asked for or not, takes everything with it',
  async () => {
    for (const how of ['shutdown', 'SIGTERM', 'SIGKILL'] as const) {
      await using host = startHost(build('supervisor'), root)
      const pipe = await host.open()
      const { sleep, alive } = mark()
      const script = `(setsid ${sleep} &) ; ${sleep} & sleep 0.1; kill -STOP $!; ${sleep}`
      const running = await startAndCount(pipe, script, { of: alive, to: 3 })
      if (how === 'shutdown') pipe.shutdown()
      else host.child.kill(how)
      await expect(running.result).rejects.toMatchObject({ code: 'sandbox_lost' })
      expect(await host.exited).toBe(how === 'SIGKILL' ? null : 0)
      await until('nothing is left', () => alive() === 0)
    }
  },
)

supervisorTest('code of the same user can neither trace nor read the supervisor', async () => {
  const uid = 65_534
  await using host = startHost(build('supervisor'), root, { uid })
  const pipe = await host.open()
  const look = (pid: string) =>
    `for f in mem environ maps fd/0 fd/1 cwd root; do head -c1 /proc/${pid}/$f >/dev/null 2>&1 && echo "$f"; ls /proc/${pid}/fd 2>/dev/null; done; true`
  // The command can look into itself: what it cannot do to the supervisor is not for want of tools.
  const itself = await capture(pipe, shell(look('$$')))
  expect(itself.stdout).toContain('environ')
  for (const pid of [String(host.pid), '$PPID'])
    expect(await capture(pipe, shell(look(pid)))).toMatchObject({ stdout: '', exitCode: 0 })
})
