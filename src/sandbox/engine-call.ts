/**
 * The one way to ask the engine for something: with a limit, with the caller's signal, and with a
 * failure in our own words. A call that is given up is also broken off, so no connection stays.
 */
import { OpenExecError } from '../schema/index.ts'
import { engineError, type EngineFailure } from './errors.ts'

export interface EngineCall extends EngineFailure {
  timeoutMs: number
  signal: AbortSignal
}

/**
 * Throws `cancelled` when the signal aborts, `engine_failed` when the engine does not answer in
 * time, `engine_unavailable` when there is none, and what `missing` says for a 404.
 */
export async function engineCall<T>(
  call: EngineCall,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (call.signal.aborted) throw cancelledError(call.action, call.signal)
  const limit = AbortSignal.timeout(call.timeoutMs)
  const signal = AbortSignal.any([limit, call.signal])
  let giveUp = () => {}
  // Not every call of the client library heeds a signal: the race ends those that do not.
  const given = new Promise<never>((_resolve, reject) => {
    giveUp = () =>
      reject(call.signal.aborted ? cancelledError(call.action, call.signal) : tooSlow(call))
    signal.addEventListener('abort', giveUp, { once: true })
  })
  try {
    return await Promise.race([work(signal), given])
  } catch (cause) {
    if (call.signal.aborted) throw cancelledError(call.action, call.signal)
    if (limit.aborted) throw tooSlow(call)
    throw engineError(call, cause)
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** Says that the caller gave up, in the caller's own words where there are any. */
export function cancelledError(action: string, signal: AbortSignal): OpenExecError {
  const { reason } = signal
  if (reason instanceof OpenExecError) return reason
  return new OpenExecError('cancelled', `Cannot ${action}: cancelled`, { cause: reason })
}

function tooSlow({ action, timeoutMs }: EngineCall): OpenExecError {
  return new OpenExecError(
    'engine_failed',
    `Cannot ${action}: the engine gave no answer within ${timeoutMs} ms`,
    { hint: 'Run `openexec doctor` to check the engine' },
  )
}
