/**
 * What an engine's refusal means to us, told by status or code, never by message text: the text
 * differs between engines and their versions.
 */
import { OpenExecError, type ErrorCode } from '../schema/index.ts'

export interface EngineFailure {
  /** Completes "Cannot …", with the value quoted: `start sandbox "sbx_…"`. */
  action: string
  /** What it means that the engine does not know the thing named. */
  missing: ErrorCode
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EACCES',
  'EPERM',
  'EPIPE',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ECONNABORTED',
])

/** A failure of the client library as ours; our own failures pass unchanged. */
export function engineError(failure: EngineFailure, cause: unknown): OpenExecError {
  if (cause instanceof OpenExecError) return cause
  const status = statusOf(cause)
  const code = codeOf(cause)
  if (status === 404) return failed(failure.missing, failure, 'the engine does not know it', cause)
  if (status === 409) return failed('engine_failed', failure, 'something else holds it', cause)
  if (status !== undefined)
    return failed(
      'engine_failed',
      failure,
      `the engine answered with status ${status}${said(cause)}`,
      cause,
    )
  if (code !== undefined && UNREACHABLE.has(code))
    return failed('engine_unavailable', failure, `the engine does not answer (${code})`, cause)
  return failed('engine_failed', failure, 'the engine broke off', cause)
}

/** HTTP status of the engine's answer; `undefined` when there was none. */
export function statusOf(cause: unknown): number | undefined {
  if (!(cause instanceof Error) || !('statusCode' in cause)) return undefined
  return typeof cause.statusCode === 'number' ? cause.statusCode : undefined
}

/** Whether the engine answers that there is no such thing. */
export function isGone(error: unknown): boolean {
  return statusOf(engineCause(error)) === 404
}

/** Whether the engine answers that something else uses the thing, or is at it already. */
export function isHeld(error: unknown): boolean {
  return statusOf(engineCause(error)) === 409
}

function engineCause(error: unknown): unknown {
  return error instanceof OpenExecError ? error.cause : error
}

/** The engine's own words, for a person; nothing is decided by them. */
export function said(cause: unknown): string {
  const json: unknown = cause instanceof Error && 'json' in cause ? cause.json : undefined
  const words: unknown =
    json !== null && typeof json === 'object' ? Reflect.get(json, 'message') : ''
  return typeof words === 'string' && words !== '' ? ` (${words.slice(0, 300)})` : ''
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string'
    ? cause.code
    : undefined
}

function failed(code: ErrorCode, { action }: EngineFailure, problem: string, cause: unknown) {
  return new OpenExecError(code, `Cannot ${action}: ${problem}`, {
    hint: 'Run `openexec doctor` to check the engine',
    // The engine's own words help a person; they decide nothing.
    details: { engine: cause instanceof Error ? cause.message.slice(0, 2_000) : String(cause) },
    cause,
  })
}
