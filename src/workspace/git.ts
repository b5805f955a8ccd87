/** Short ways to call git, once program and signal are known. */
import type { GitPlace } from './git-environment.ts'
import {
  git,
  type GitOutput,
  type GitProgram,
  type GitRun,
  type GitStream,
  runGit,
  SMALL_OUTPUT_BYTES,
  streamGit,
} from './git-process.ts'

/** Who calls git, and until when. */
export interface GitCaller {
  program: GitProgram
  signal: AbortSignal
}

/** One trimmed line of output; `workspace_failed` when git fails. */
export async function gitLine(
  caller: GitCaller,
  place: GitPlace,
  args: readonly string[],
): Promise<string> {
  return (await gitBytes(caller, place, args)).toString('utf8').trim()
}

/** Output of at most 1 MiB; `workspace_failed` when git fails. */
export async function gitBytes(
  caller: GitCaller,
  place: GitPlace,
  args: readonly string[],
): Promise<Buffer> {
  return git(caller.program, { ...plain(caller, place, args), ...NO_INPUT })
}

/** The same with standard input. */
export async function gitFed(
  caller: GitCaller,
  place: GitPlace,
  call: { args: readonly string[]; input: string | Uint8Array },
): Promise<Buffer> {
  const run = plain(caller, place, call.args)
  return git(caller.program, { ...run, input: call.input, maxBytes: SMALL_OUTPUT_BYTES })
}

/** Exit code and output, for calls whose failure means something. */
export async function gitTry(
  caller: GitCaller,
  place: GitPlace,
  args: readonly string[],
): Promise<GitOutput> {
  return runGit(caller.program, { ...plain(caller, place, args), ...NO_INPUT })
}

export function gitStream(caller: GitCaller, place: GitPlace, args: readonly string[]): GitStream {
  return streamGit(caller.program, plain(caller, place, args))
}

const NO_INPUT = { input: '', maxBytes: SMALL_OUTPUT_BYTES }

function plain(caller: GitCaller, place: GitPlace, args: readonly string[]): GitRun {
  return { place, args, env: {}, user: undefined, signal: caller.signal }
}
