/**
 * Every failure OpenExec reports to a person. One row fixes its HTTP status and its exit code;
 * nothing else decides either. How a *run* ended is told by `Reason`, not by an error.
 */
import { z } from 'zod'

export const ERROR_TABLE = {
  bad_request: { status: 400, exit: 2 },
  unauthenticated: { status: 401, exit: 3 },
  forbidden: { status: 403, exit: 5 },
  not_found: { status: 404, exit: 2 },
  too_large: { status: 413, exit: 2 },
  too_busy: { status: 429, exit: 125 },
  conflict: { status: 409, exit: 1 },
  repository_invalid: { status: 400, exit: 2 },
  repository_unsafe: { status: 400, exit: 2 },
  blueprint_invalid: { status: 400, exit: 2 },
  policy_invalid: { status: 400, exit: 2 },
  config_invalid: { status: 400, exit: 2 },
  patch_rejected: { status: 409, exit: 1 },
  image_not_found: { status: 404, exit: 2 },
  no_model_configured: { status: 409, exit: 3 },
  approval_required: { status: 409, exit: 4 },
  policy_denied: { status: 403, exit: 5 },
  confinement_unsupported: { status: 409, exit: 5 },
  confinement_weaker: { status: 409, exit: 125 },
  budget_exceeded: { status: 409, exit: 6 },
  timed_out: { status: 504, exit: 124 },
  cancelled: { status: 409, exit: 130 },
  command_not_startable: { status: 409, exit: 1 },
  engine_unavailable: { status: 503, exit: 125 },
  engine_too_old: { status: 503, exit: 125 },
  engine_failed: { status: 502, exit: 125 },
  sandbox_failed: { status: 502, exit: 125 },
  sandbox_lost: { status: 502, exit: 125 },
  sandbox_protocol_error: { status: 502, exit: 125 },
  workspace_failed: { status: 502, exit: 125 },
  model_failed: { status: 502, exit: 125 },
  state_unusable: { status: 507, exit: 125 },
  state_too_new: { status: 507, exit: 125 },
  state_corrupt: { status: 507, exit: 125 },
  unavailable: { status: 503, exit: 125 },
  server_unreachable: { status: 503, exit: 125 },
  internal: { status: 500, exit: 125 },
} as const

export type ErrorCode = keyof typeof ERROR_TABLE

// Object.keys loses the literal types; the table above is the only source of them.
export const ErrorCode = z.enum(Object.keys(ERROR_TABLE) as [ErrorCode, ...ErrorCode[]])

export const ErrorBody = z.object({
  code: ErrorCode,
  message: z.string(),
  hint: z.string().optional(),
  /** Which part of the request is wrong. */
  field: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
  /** Finds the request in the log of the server. */
  request_id: z.string().optional(),
})
export type ErrorBody = z.infer<typeof ErrorBody>

/** The body of every non-2xx answer, and of a failed `--json` command. */
export const ErrorAnswer = z.object({ error: ErrorBody })

export interface OpenExecErrorOptions {
  /** What the user can do about it. */
  hint?: string
  /** Safe to show; never secrets. */
  details?: Record<string, unknown>
  cause?: unknown
}

/** An expected failure, told to the user as is. Anything else thrown is a bug and reads as `internal`. */
export class OpenExecError extends Error {
  override name = 'OpenExecError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, options: OpenExecErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details
  }
}

/** What may leave the process: known failures whole, unknown ones without their message. */
export function toErrorBody(error: unknown): ErrorBody {
  if (!(error instanceof OpenExecError)) return { code: 'internal', message: 'Internal error' }
  const body: ErrorBody = { code: error.code, message: error.message }
  if (error.hint !== undefined) body.hint = error.hint
  if (error.details !== undefined) body.details = error.details
  const field = error.details?.['field']
  if (typeof field === 'string' && field !== '') body.field = field
  return body
}
