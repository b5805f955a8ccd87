/**
 * The one retry policy for models. It never changes the request, waits by capped exponential
 * backoff with full jitter from the caller's own generator, and tells of every retry, so that a
 * recorded run shows each of them and a repeated one waits the same.
 */
import type { ModelRequest } from '../schema/index.ts'
import { FAILURE_TABLE, type ModelFailure } from './errors.ts'
import type { Model, ModelOutcome } from './model.ts'

export interface RetryPolicy {
  /** Calls in all, the first included. */
  attemptsMax: number
  /** `ms` */
  baseMs: number
  /** `ms`; no single wait is longer. */
  capMs: number
}

export const DEFAULT_RETRY: RetryPolicy = { attemptsMax: 4, baseMs: 500, capMs: 20_000 }

/** A longer wait asked for by the provider is not worth a held sandbox. */
const RETRY_AFTER_MAX_MS = 60_000

export interface Retry {
  /** The call that failed, from 1. */
  attempt: number
  failure: ModelFailure
  waitMs: number
}

export interface RetryOptions {
  policy: RetryPolicy
  signal: AbortSignal
  /** Uniform in [0, 1); seeded, so that waits are repeatable. */
  random(): number
  /** Resolves early, and never rejects, when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Says whether there is room for one more call. */
  onRetry(retry: Retry): boolean
}

/** Calls the model until it answers, fails for good, or the attempts are used up. */
export async function generateWithRetry(
  model: Model,
  request: ModelRequest,
  options: RetryOptions,
): Promise<ModelOutcome> {
  const { policy, signal, random, sleep, onRetry } = options
  for (let attempt = 1; ; attempt++) {
    const outcome = await model.generate(request, { signal })
    if (outcome.ok || attempt >= policy.attemptsMax || signal.aborted) return outcome
    const waitMs = retryWait(outcome.failure, { attempt, policy, random })
    if (waitMs === undefined) return outcome
    if (!onRetry({ attempt, failure: outcome.failure, waitMs })) return outcome
    await sleep(waitMs, signal)
  }
}

interface WaitOptions {
  attempt: number
  policy: RetryPolicy
  random(): number
}

/** How long to wait before the next call; `undefined` when there is no point in one. */
export function retryWait(failure: ModelFailure, options: WaitOptions): number | undefined {
  if (!FAILURE_TABLE[failure.class].retry) return undefined
  const { attempt, policy, random } = options
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1))
  const jittered = Math.round(random() * ceiling)
  if (failure.retryAfterMs === undefined) return jittered
  if (failure.retryAfterMs > RETRY_AFTER_MAX_MS) return undefined
  return Math.max(failure.retryAfterMs, jittered)
}
