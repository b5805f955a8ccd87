/**
 * Starts git and nothing else, as argv, in the hardened environment. Every process has a time limit,
 * a cap on what is kept of its output, and dies with its children when the caller's signal aborts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import { gitEnvironment, type GitPlace } from './git-environment.ts'
import type { RepositoryMemory } from './repository-memory.ts'

/** How to find git and how long any one call may take. */
export interface GitProgram {
  /** PATH that finds git. */
  searchPath: string
  /** `ms` */
  timeoutMs: number
  /** What is known of repositories already, in a process that lives long. */
  memory: RepositoryMemory | undefined
  /** What the system holds each process to; for git that reads what strangers sent. */
  bounds?: GitBounds
}

export interface GitBounds {
  /** Bytes of the largest file it may write. */
  fileBytes: number
  /** Bytes of address space. */
  memoryBytes: number
  cpuSeconds: number
}

export interface GitRun {
  place: GitPlace
  args: readonly string[]
  /** Added to the hardened environment, for author names and dates. */
  env: Readonly<Record<string, string>>
  /** Account to run as; undefined keeps the caller's. */
  user: { uid: number; gid: number } | undefined
  signal: AbortSignal
}

export interface GitOutput {
  code: number
  stdout: Buffer
  /** Cut at 4 KiB, control characters replaced. */
  stderr: string
}

export interface GitStream {
  stdin: Writable
  stdout: Readable
  /** Rejects when git fails, is killed by its limit or by the signal. Awaited on every path. */
  done: Promise<void>
  kill(): void
}

/** Bytes kept of a call whose answer is a few lines. */
export const SMALL_OUTPUT_BYTES = 1024 * 1024
const STDERR_BYTES_MAX = 4096

/** Runs git to its end and keeps at most `maxBytes`; fails with `workspace_failed` beyond that. */
export async function runGit(
  program: GitProgram,
  run: GitRun & { input: string | Uint8Array; maxBytes: number },
): Promise<GitOutput> {
  const started = start(program, run)
  const { child, finished } = started
  const chunks: Buffer[] = []
  let kept = 0
  child.stdout.on('data', (chunk: Buffer) => {
    kept += chunk.length
    if (kept <= run.maxBytes) chunks.push(chunk)
    else started.fail(failure(run, `output exceeds ${run.maxBytes} bytes`))
  })
  child.stdin.on('error', ignore)
  child.stdin.end(run.input)
  const { code, stderr } = await finished
  return { code, stdout: Buffer.concat(chunks), stderr }
}

/** Standard output of a git call that must succeed; `workspace_failed` when it does not. */
export async function git(
  program: GitProgram,
  run: GitRun & { input: string | Uint8Array; maxBytes: number },
): Promise<Buffer> {
  const { code, stdout, stderr } = await runGit(program, run)
  if (code !== 0) throw failure(run, `exit code ${code}${stderr === '' ? '' : `: ${stderr}`}`)
  return stdout
}

/** A git process to talk with. The caller reads `stdout`, ends `stdin` and awaits `done`. */
export function streamGit(program: GitProgram, run: GitRun): GitStream {
  const started = start(program, run)
  const { child, finished } = started
  const done = finished.then(({ code, stderr }) => {
    if (code !== 0) throw failure(run, `exit code ${code}${stderr === '' ? '' : `: ${stderr}`}`)
  })
  // The rejection is reported by whoever awaits `done`; a stream that breaks first must not crash.
  done.catch(ignore)
  child.stdin.on('error', ignore)
  return { stdin: child.stdin, stdout: child.stdout, done, kill: () => killGroup(child) }
}

/** Writes and waits until there is room for more; when git has gone, tells why. */
export async function feed(stream: GitStream, bytes: string | Uint8Array): Promise<void> {
  const { stdin } = stream
  if (!stdin.destroyed && !stdin.write(bytes)) {
    await new Promise<void>((resolve) => {
      const events = ['drain', 'close', 'error']
      const settle = (): void => {
        for (const event of events) stdin.off(event, settle)
        resolve()
      }
      for (const event of events) stdin.on(event, settle)
    })
  }
  if (!stdin.destroyed) return
  await stream.done
  throw new OpenExecError('workspace_failed', 'Cannot write to git: it ended early')
}

/** Throws `cancelled` when the signal has been aborted; `what` completes "Cannot …". */
export function throwIfCancelled(signal: AbortSignal, what: string): void {
  if (!signal.aborted) return
  if (signal.reason instanceof OpenExecError) throw signal.reason
  throw new OpenExecError('cancelled', `Cannot ${what}: cancelled`, { cause: signal.reason })
}

/** Each limit is tried first: one that cannot be set, or is lower already, must not end the shell. */
const BOUNDED = ['t', 'f', 'v']
  .map(
    (letter, index) =>
      `(ulimit -${letter} "$${index + 1}") 2>/dev/null && ulimit -${letter} "$${index + 1}"`,
  )
  .concat('shift 3; exec git "$@"')
  .join('; ')

/** Node sets no limits of processes; a shell that becomes git does. Nothing of `args` is read by it. */
function commandOf(
  bounds: GitBounds | undefined,
  args: readonly string[],
): [file: string, args: readonly string[]] {
  if (bounds === undefined) return ['git', args]
  const { cpuSeconds, fileBytes, memoryBytes } = bounds
  const limits = [cpuSeconds, Math.ceil(fileBytes / 512), Math.ceil(memoryBytes / 1024)]
  return ['/bin/sh', ['-c', BOUNDED, 'git', ...limits.map(String), ...args]]
}

function start(program: GitProgram, run: GitRun) {
  throwIfCancelled(run.signal, `run git ${run.args[0]}`)
  const [file, args] = commandOf(program.bounds, run.args)
  const child = spawn(file, args, {
    // Never a directory somebody else decides on: everything is named by absolute paths.
    cwd: run.place.workTree ?? '/',
    env: { ...gitEnvironment(program.searchPath, run.place), ...run.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own, so that what git started is killed with it.
    detached: true,
    ...run.user,
  })
  let reason: Error | undefined
  const fail = (error: Error): void => {
    reason ??= error
    killGroup(child)
  }
  const timer = setTimeout(
    () => fail(failure(run, `no end after ${program.timeoutMs} ms`)),
    program.timeoutMs,
  )
  const onAbort = (): void => {
    const cancelled = run.signal.reason instanceof OpenExecError ? run.signal.reason : undefined
    fail(cancelled ?? new OpenExecError('cancelled', `Cannot run git ${run.args[0]}: cancelled`))
  }
  run.signal.addEventListener('abort', onAbort, { once: true })
  let stderr = Buffer.alloc(0)
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < STDERR_BYTES_MAX) stderr = Buffer.concat([stderr, chunk])
  })
  const finished = new Promise<{ code: number; stderr: string }>((resolve, reject) => {
    child.on('error', (error) => reject(notStarted(run, error)))
    child.on('close', (code, killedBy) => {
      if (reason !== undefined) reject(reason)
      else if (code === null) reject(failure(run, `killed by ${killedBy}`))
      else resolve({ code, stderr: printable(stderr) })
    })
  }).finally(() => {
    clearTimeout(timer)
    run.signal.removeEventListener('abort', onAbort)
  })
  return { child, finished, fail }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}

function failure(run: GitRun, detail: string): OpenExecError {
  return new OpenExecError('workspace_failed', `Cannot run git ${run.args[0]}: ${detail}`, {
    details: { git: run.args[0] },
  })
}

function notStarted(run: GitRun, cause: Error): OpenExecError {
  const missing = 'code' in cause && cause.code === 'ENOENT'
  const why = missing ? 'it is not installed' : 'it cannot be started'
  return new OpenExecError('workspace_failed', `Cannot run git: ${why}`, {
    hint: 'Install git 2.39 or newer and make sure it is on the PATH',
    details: { git: run.args[0] },
    cause,
  })
}

function printable(stderr: Buffer): string {
  const text = stderr.subarray(0, STDERR_BYTES_MAX).toString('utf8').trim()
  return text.replaceAll(/[^\P{C}\n]/gu, '?').replaceAll('\n', '; ')
}

function ignore(): void {
  // Stream errors surface as the exit of the process.
}
