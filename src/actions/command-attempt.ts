/** One command as it was tried, and how that is told. */
import { z } from 'zod'
import type { SpooledStream } from '../artifacts/index.ts'
import { ExecResult, type NewEvent, OpenExecError } from '../schema/index.ts'
import type { Sandbox } from '../sandbox/index.ts'
import type { CommandRequest } from './action.ts'
import { shortArgv } from './gate.ts'
import { soundsOffline } from './network-hint.ts'

export function startedEvent({ argv, cwd, timeoutMs }: CommandRequest, step: string): NewEvent {
  return {
    type: 'command_started',
    payload: { ...shortArgv(argv), cwd, timeout_ms: timeoutMs },
    volatile: { step },
  }
}

export function completedEvent(
  { result, startable }: Attempted,
  step: string,
  { stdout, stderr }: { stdout: SpooledStream; stderr: SpooledStream },
): NewEvent {
  return {
    type: 'command_completed',
    payload: {
      started: startable,
      exit_code: result.exitCode,
      signal: result.signal,
      timed_out: result.timedOut,
      out_of_memory: result.outOfMemory,
    },
    volatile: {
      step,
      duration_ms: Math.round(result.durationMs),
      stdout: { sha256: stdout.sha256, bytes: stdout.bytes },
      stderr: { sha256: stderr.sha256, bytes: stderr.bytes },
      ...(result.exitCode !== 0 && soundsOffline([stdout.tail, stderr.tail]) && { offline: true }),
    },
  }
}

export const Attempted = z.object({ result: ExecResult, startable: z.boolean() })
export type Attempted = z.infer<typeof Attempted>

const NEVER_RAN: ExecResult = {
  exitCode: null,
  signal: null,
  timedOut: false,
  durationMs: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  outOfMemory: false,
}

/** A program that cannot be started is an outcome of the attempt. */
export async function attempt(
  sandbox: Sandbox,
  request: Parameters<Sandbox['exec']>[0],
): Promise<Attempted> {
  try {
    return { result: await sandbox.exec(request), startable: true }
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'command_not_startable')
      return { result: NEVER_RAN, startable: false }
    throw error
  }
}
