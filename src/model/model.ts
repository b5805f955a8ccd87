/**
 * What the program may ask of a language model. A failure is a value, not an exception, because the
 * caller always has something to do about it: retry, settle a reservation, end the stage.
 *
 * An adapter sends exactly what the request holds, retries nothing by itself and changes no
 * parameter. Only the accumulated final message leaves it.
 */
import type { ModelRequest, ModelResponse } from '../schema/index.ts'
import type { ModelFailure } from './errors.ts'
import type { Price } from './prices.ts'

export type ModelOutcome =
  | { ok: true; response: ModelResponse }
  | { ok: false; failure: ModelFailure }

/** How much a model takes and gives. */
export interface ModelWindow {
  /** Tokens of messages above which old tool results are left out of what is sent. */
  contextTokens: number
  /** Tokens one answer may have. */
  outputTokens: number
}

export const DEFAULT_WINDOW: ModelWindow = { contextTokens: 100_000, outputTokens: 4096 }

export interface Model {
  readonly provider: string
  readonly model: string
  /** What its tokens cost; `undefined` when nobody knows, which is not the same as free. */
  readonly price: Price | undefined
  readonly window: ModelWindow
  /** Settles soon after `signal` aborts, with a failure of class `cancelled`. Must not throw. */
  generate(request: ModelRequest, options: { signal: AbortSignal }): Promise<ModelOutcome>
}
