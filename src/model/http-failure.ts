/**
 * What an exchange threw, as a class of failure. By status, error code and error type, never by the
 * words of a message. The words are kept for people, without keys and cut to a length.
 */
import { z } from 'zod'
import {
  classifyStatus,
  type ModelFailure,
  type ModelFailureClass,
  modelFailure,
} from './errors.ts'
import { redactLines } from './redact.ts'
import type { Wire } from './wire.ts'

const MESSAGE_CHARS_MAX = 1000
/** Shorter texts stand everywhere and are no keys. */
const KEY_CHARS_MIN = 8

/** A failure that an adapter found while it read an answer. */
export class ExchangeError extends Error {
  override name = 'ExchangeError'
  readonly failure: ModelFailure

  constructor(failureClass: ModelFailureClass, message: string) {
    super(message)
    this.failure = modelFailure(failureClass, message)
  }
}

/** The answer ended before the model had. */
export function cutShort(): ExchangeError {
  return new ExchangeError('connection_lost', 'The answer ended before it was complete')
}

interface Caller {
  provider: string
  apiKey: string | undefined
  /** Epoch `ms` */
  now(): number
}

interface Place {
  wire: Wire
  /** The caller's own. */
  signal: AbortSignal
  options: Caller
}

export function failureOf(error: unknown, { wire, signal, options }: Place): ModelFailure {
  const failure = classified(error, { wire, signal, options })
  const charged = wire.accepted() ? 'unknown' : failure.charged
  return { ...failure, charged, message: withoutKeys(failure.message, options.apiKey) }
}

function classified(error: unknown, { wire, signal, options }: Place): ModelFailure {
  if (signal.aborted) return modelFailure('cancelled', 'The call was cancelled')
  const broken = wire.fault()
  if (broken !== undefined) return broken
  const known = findInCauses(error, (each) => each instanceof ExchangeError)
  if (known instanceof ExchangeError) return known.failure
  if (findInCauses(error, isMalformed) !== undefined)
    return modelFailure('invalid_response', `The answer cannot be read: ${messageOf(error)}`)
  const { status, headers, ...rest } = facts(error)
  const failureClass = classOf({ status, ...rest, headers }, options)
  if (failureClass === undefined)
    return modelFailure('connection_lost', `The connection failed: ${reasonOf(error)}`)
  const retryAfterMs = retryAfter(headers, options.now())
  return { ...modelFailure(failureClass, messageOf(error)), status, retryAfterMs }
}

const isMalformed = (error: unknown) => error instanceof SyntaxError || error instanceof z.ZodError

interface Facts {
  status: number | undefined
  code: string | undefined
  type: string | undefined
  headers: Headers | undefined
}

/** By what the provider calls it, wherever it says so; then by status. */
const CODE_CLASS: Readonly<Record<string, ModelFailureClass>> = {
  insufficient_quota: 'quota_exhausted',
  billing_hard_limit_reached: 'quota_exhausted',
  billing_error: 'quota_exhausted',
  context_length_exceeded: 'too_large',
  exceed_context_size_error: 'too_large',
  request_too_large: 'too_large',
  rate_limit_exceeded: 'rate_limited',
  rate_limit_error: 'rate_limited',
  overloaded_error: 'overloaded',
  server_error: 'server_error',
  api_error: 'server_error',
  timeout_error: 'timed_out',
  authentication_error: 'unauthorized',
  permission_error: 'unauthorized',
  not_found_error: 'not_found',
  model_not_found: 'not_found',
  invalid_request_error: 'bad_request',
}

function classOf(
  { status, code, type, headers }: Facts,
  { provider }: Caller,
): ModelFailureClass | undefined {
  const named =
    CODE_CLASS[code ?? ''] ?? (status === undefined ? CODE_CLASS[type ?? ''] : undefined)
  if (named !== undefined) return named
  if (status === undefined)
    return type === undefined && code === undefined ? undefined : 'server_error'
  const byType = CODE_CLASS[type ?? '']
  if (byType === 'quota_exhausted' || byType === 'too_large') return byType
  // A limit of spending, which no waiting lifts, comes without a word on when to try again.
  if (status === 429 && provider === 'anthropic' && headers?.has('retry-after') !== true)
    return 'quota_exhausted'
  if (status === 429 && headers?.get('x-should-retry') === 'false') return 'quota_exhausted'
  return classifyStatus(status)
}

const Body = z.looseObject({
  code: z.string().nullish().catch(undefined),
  type: z.string().nullish().catch(undefined),
})
const Thrown = z.object({
  status: z.number().int().optional().catch(undefined),
  headers: z.instanceof(Headers).optional().catch(undefined),
  code: z.string().nullish().catch(undefined),
  type: z.string().nullish().catch(undefined),
  error: Body.extend({ error: Body.optional().catch(undefined) })
    .optional()
    .catch(undefined),
})

/** What an SDK's error says of the answer, whichever SDK it is. */
function facts(error: unknown): Facts {
  const thrown = error instanceof Error ? Thrown.safeParse(error).data : undefined
  const inner = thrown?.error?.error
  return {
    status: thrown?.status,
    headers: thrown?.headers,
    code: inner?.code ?? thrown?.error?.code ?? thrown?.code ?? undefined,
    type: inner?.type ?? thrown?.type ?? thrown?.error?.type ?? undefined,
  }
}

/** `ms` the server asks for: milliseconds, seconds, or a date. */
function retryAfter(headers: Headers | undefined, now: number): number | undefined {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '')
  if (Number.isFinite(ms) && ms >= 0) return Math.ceil(ms)
  const text = headers?.get('retry-after') ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number.parseFloat(text) * 1000)
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** Levels of causes that are looked through. */
const CAUSES_MAX = 5

function findInCauses(error: unknown, isWanted: (error: unknown) => boolean): unknown {
  let at = error
  for (let level = 0; level < CAUSES_MAX && at instanceof Error; level++) {
    if (isWanted(at)) return at
    at = at.cause
  }
  return undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The innermost cause, which knows whether a host was not found or did not listen. */
function reasonOf(error: unknown): string {
  let at = error
  for (let level = 0; level < CAUSES_MAX && at instanceof Error && at.cause !== undefined; level++)
    at = at.cause
  return messageOf(at) || messageOf(error)
}

function withoutKeys(text: string, apiKey: string | undefined): string {
  const known = apiKey !== undefined && apiKey.length >= KEY_CHARS_MIN
  const whole = known ? text.replaceAll(apiKey, '«key»') : text
  return redactLines(whole.slice(0, MESSAGE_CHARS_MAX).split('\n')).lines.join('\n')
}
