/** Runs one chosen command and reports it; the base of run_command, run_setup, run_linters, run_tests. */
import type { ExecResult, JsonObject, Reason } from '../schema/index.ts'
import type { ActionContext, ActionResult, CommandOutcome } from './action.ts'
import type { ChosenCommand } from './project-plan.ts'

export interface CommandVerdict {
  status: ActionResult['status']
  reason: Reason | undefined
  sentence: string
}

const WORKSPACE = '/workspace'

/** Runs `chosen` at the root of the workspace. */
export async function runChosen(
  context: ActionContext,
  chosen: ChosenCommand,
  name: string,
): Promise<CommandOutcome> {
  return await context.runCommand({
    argv: chosen.argv,
    cwd: WORKSPACE,
    env: {},
    timeoutMs: Math.min(chosen.timeoutMs ?? context.timeoutMs, context.timeoutMs),
    name,
  })
}

/** The verdict of a command: its exit code decides, nothing it prints does. */
export function judge(
  chosen: ChosenCommand,
  outcome: CommandOutcome,
  failure: Reason,
): CommandVerdict {
  const shown = showArgv(chosen.argv)
  const { result } = outcome
  if (!outcome.startable)
    return {
      status: 'failed',
      reason: 'command_not_found',
      sentence: `\`${shown}\` cannot be started: the image has no such program`,
    }
  if (result.timedOut)
    return { status: 'timed_out', reason: 'timed_out', sentence: `\`${shown}\` ran out of time` }
  if (result.exitCode === 0)
    return { status: 'succeeded', reason: undefined, sentence: `\`${shown}\` exited 0` }
  if (result.outOfMemory)
    return {
      status: 'failed',
      reason: 'out_of_memory',
      sentence: `\`${shown}\` was killed: the memory limit of the sandbox is reached`,
    }
  const how =
    result.exitCode === null ? `was ended by ${result.signal}` : `exited ${result.exitCode}`
  return { status: 'failed', reason: failure, sentence: `\`${shown}\` ${how}` }
}

/** What every report of a command holds; the output itself is an artifact of its own. */
export function reportOf(
  chosen: ChosenCommand,
  outcome: CommandOutcome,
  verdict: CommandVerdict,
): JsonObject {
  return {
    argv: [...chosen.argv],
    chosen_because: chosen.because,
    status: verdict.status,
    reason: verdict.reason ?? null,
    ...exitOf(outcome.result, outcome.startable),
    stdout: outputOf(outcome.stdout),
    stderr: outputOf(outcome.stderr),
  }
}

/** argv for people: quoted only where a word would be misread, control characters escaped. */
function showArgv(argv: readonly string[]): string {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')
}

function exitOf(result: ExecResult, startable: boolean): JsonObject {
  if (!startable) return { exit_code: null, signal: null, started: false }
  return {
    exit_code: result.exitCode,
    signal: result.signal,
    started: true,
    out_of_memory: result.outOfMemory,
    duration_ms: Math.round(result.durationMs),
  }
}

function outputOf(output: CommandOutcome['stdout']): JsonObject {
  return {
    sha256: output.sha256,
    bytes: output.bytes,
    truncated: output.truncated,
    tail: output.tail,
  }
}
