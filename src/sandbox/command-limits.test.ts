import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { OpenExecError } from '../schema/index.ts'
import { runCommand } from './command-limits.ts'
import type { Command, CommandResult } from './pipe-command.ts'
import type { Pipe } from './pipe.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const ended: CommandResult = {
  exitCode: null,
  signal: 'SIGKILL',
  timedOut: false,
  durationMs: 1,
  stdoutBytes: 0,
  stderrBytes: 0,
  outOfMemory: false,
  outputLimited: false,
  killed: true,
  insideMs: 1,
  userMs: 0,
  systemMs: 0,
  residentBytesMax: 0,
}

/** A supervisor that ends a command when it is told to, or never. */
function supervisor(obeys: boolean) {
  const asked = { kills: 0, starts: 0 }
  let settle: (result: CommandResult) => void = () => {}
  const command: Pick<Command, 'result' | 'kill'> = {
    result: new Promise((resolve) => (settle = resolve)),
    kill: () => {
      asked.kills++
      if (obeys) settle(ended)
    },
  }
  const pipe: Pick<Pipe, 'start'> = {
    start: () => {
      asked.starts++
      // Nothing else of it is used here.
      return command as Command
    },
  }
  // As above.
  return { pipe: pipe as Pipe, asked, end: () => settle({ ...ended, exitCode: 0, signal: null }) }
}

function request(signal: AbortSignal, timeoutMs = 1_000) {
  const argv = ['sleep', '9']
  return { argv, env: {}, cwd: '/tmp', timeoutMs, stdin: Buffer.of(), signal, onOutput: () => {} }
}

const never = new AbortController().signal

test('runCommand() gives only what the interface promises', async () => {
  const { pipe, end } = supervisor(true)
  const running = runCommand(pipe, request(never), { onStuck: () => {} })
  end()
  expect(await running).toEqual({
    exitCode: 0,
    signal: null,
    timedOut: false,
    durationMs: 1,
    stdoutBytes: 0,
    stderrBytes: 0,
    outOfMemory: false,
  })
  expect(vi.getTimerCount()).toBe(0)
})

test('runCommand() starts nothing for a caller who has already given up', async () => {
  const { pipe, asked } = supervisor(true)
  const running = runCommand(pipe, request(AbortSignal.abort()), { onStuck: () => {} })
  await expect(running).rejects.toMatchObject({ code: 'cancelled' })
  expect(asked.starts).toBe(0)
})

test('runCommand() kills on abort and says cancelled once the supervisor has confirmed', async () => {
  const { pipe, asked } = supervisor(true)
  const controller = new AbortController()
  const running = runCommand(pipe, request(controller.signal), { onStuck: () => {} })
  controller.abort()
  await expect(running).rejects.toMatchObject({ code: 'cancelled' })
  expect(asked.kills).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('runCommand() gives a supervisor that does not confirm two seconds', async () => {
  const { pipe } = supervisor(false)
  const controller = new AbortController()
  const stuck: OpenExecError[] = []
  void runCommand(pipe, request(controller.signal), { onStuck: (error) => stuck.push(error) })
  controller.abort()
  await vi.advanceTimersByTimeAsync(1_999)
  expect(stuck).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(stuck).toMatchObject([{ code: 'sandbox_lost' }])
})

test('runCommand() kills what the supervisor lets run beyond its time, and says timed out', async () => {
  const { pipe, asked } = supervisor(true)
  const running = runCommand(pipe, request(never, 1_000), { onStuck: () => {} })
  await vi.advanceTimersByTimeAsync(5_999)
  expect(asked.kills).toBe(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(await running).toMatchObject({ timedOut: true, signal: 'SIGKILL' })
})
