/**
 * The one table of how a model call can fail: whether trying again can help, whether the provider
 * may have charged for it, and which reason a stage ends with. Adapters map statuses and error
 * codes to a class here, never message texts.
 */
import { OpenExecError, type Reason } from '../schema/index.ts'

interface FailureRow {
  retry: boolean
  /** `unknown` when tokens may have been used although no answer came. */
  charged: 'no' | 'unknown'
  reason: Reason
}

export const FAILURE_TABLE = {
  rate_limited: { retry: true, charged: 'no', reason: 'model_error' },
  overloaded: { retry: true, charged: 'no', reason: 'model_error' },
  server_error: { retry: true, charged: 'no', reason: 'model_error' },
  timed_out: { retry: true, charged: 'unknown', reason: 'model_error' },
  connection_lost: { retry: true, charged: 'unknown', reason: 'model_error' },
  invalid_response: { retry: true, charged: 'unknown', reason: 'model_error' },
  quota_exhausted: { retry: false, charged: 'no', reason: 'model_error' },
  unauthorized: { retry: false, charged: 'no', reason: 'model_error' },
  not_found: { retry: false, charged: 'no', reason: 'model_error' },
  bad_request: { retry: false, charged: 'no', reason: 'model_error' },
  too_large: { retry: false, charged: 'no', reason: 'model_error' },
  context_truncated: { retry: false, charged: 'unknown', reason: 'model_error' },
  script_mismatch: { retry: false, charged: 'no', reason: 'script_mismatch' },
  script_exhausted: { retry: false, charged: 'no', reason: 'script_mismatch' },
  cassette_miss: { retry: false, charged: 'no', reason: 'script_mismatch' },
  cancelled: { retry: false, charged: 'unknown', reason: 'cancelled' },
} as const satisfies Record<string, FailureRow>

export type ModelFailureClass = keyof typeof FAILURE_TABLE

export interface ModelFailure {
  class: ModelFailureClass
  message: string
  /** HTTP status, where there was one. */
  status: number | undefined
  /** Wait the provider asks for, in `ms`. */
  retryAfterMs: number | undefined
  /** `unknown` when tokens may have been used, as the table says or the adapter saw. */
  charged: 'no' | 'unknown'
}

/** A failure without a status; adapters spread their own facts over it. */
export function modelFailure(failureClass: ModelFailureClass, message: string): ModelFailure {
  const { charged } = FAILURE_TABLE[failureClass]
  return { class: failureClass, message, status: undefined, retryAfterMs: undefined, charged }
}

const STATUS_CLASS: Readonly<Record<number, ModelFailureClass>> = {
  401: 'unauthorized',
  402: 'quota_exhausted',
  403: 'unauthorized',
  404: 'not_found',
  408: 'timed_out',
  409: 'server_error',
  413: 'too_large',
  429: 'rate_limited',
  529: 'overloaded',
}

/** The class of an HTTP status; quota and truncation need the provider's own error code. */
export function classifyStatus(status: number): ModelFailureClass {
  const known = STATUS_CLASS[status]
  if (known !== undefined) return known
  return status >= 500 ? 'server_error' : 'bad_request'
}

/** A failure for a person: `model_failed`, with the class in `details`. */
export function modelError(failure: ModelFailure, model: string): OpenExecError {
  const { class: failureClass, status, message } = failure
  return new OpenExecError('model_failed', `Cannot use model "${model}": ${message}`, {
    hint: HINTS[failureClass] ?? 'Look at the model_invocation events of the run',
    details: { class: failureClass, ...(status === undefined ? {} : { status }) },
  })
}

const HINTS: Partial<Record<ModelFailureClass, string>> = {
  unauthorized: 'Check the API key of the model provider',
  quota_exhausted: 'Check the credit of the account at the model provider',
  script_mismatch: 'Compare the expectation of the turn with what the run sent',
  cassette_miss: 'Record the cassette again with --cassette-mode record',
  context_truncated:
    'Give the model a larger window: `context_tokens` of the model in the configuration',
  not_found: 'Check the name of the model',
  script_exhausted: 'Add turns to the script, or set on_exhausted: repeat_last',
}
