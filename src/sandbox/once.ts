/**
 * Asks something once and remembers the answer, for questions every sandbox has but whose answer
 * does not change. One caller giving up does not spoil it for the others; a failure is forgotten.
 */
import { cancelledError } from './engine-call.ts'

export interface Once<T> {
  /** Throws what the question throws, or `cancelled` when this caller's signal aborts. */
  get(signal: AbortSignal): Promise<T>
  /** Asks again the next time. */
  forget(): void
}

/** The question gets a signal of its own, which aborts after `timeoutMs`. */
export function once<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  options: { timeoutMs: number },
): Once<T> {
  let asked: Promise<T> | undefined
  const answer = () => {
    const current = ask(AbortSignal.timeout(options.timeoutMs))
    asked = current
    current.catch(() => {
      if (asked === current) asked = undefined
    })
    return current
  }
  return {
    get: (signal) => unlessAborted(asked ?? answer(), signal),
    forget: () => {
      asked = undefined
    },
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(cancelledError('open a sandbox', signal))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
