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
  const limit = AbortSignal.timeout(call.timeoutMs)
  // A limit of the caller's is a limit too: nobody has asked for an end.
  const givenUp = () => {
    if (limit.aborted) return tooSlow(call, `within ${call.timeoutMs} ms`)
    if (isTimeout(call.signal)) return tooSlow(call, 'in time')
    return cancelledError(call.action, call.signal)
  }
  if (call.signal.aborted) throw givenUp()
  const signal = AbortSignal.any([limit, call.signal])
  let giveUp = () => {}
  // Not every call of the client library heeds a signal: the race ends those that do not.
  const given = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(givenUp())
    signal.addEventListener('abort', giveUp, { once: true })
  })
  try {
    return await Promise.race([work(signal), given])
  } catch (cause) {
    if (signal.aborted) throw givenUp()
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

function isTimeout({ reason }: AbortSignal): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
}

function tooSlow({ action }: EngineCall, limit: string): OpenExecError {
  return new OpenExecError(
    'engine_failed',
    `Cannot ${action}: the engine gave no answer ${limit}`,
    { hint: 'Run `openexec doctor` to check the engine' },
  )
}
