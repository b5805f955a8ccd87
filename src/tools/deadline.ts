/** What a piece of work came to within its time. */
export type InTime<T> = { kind: 'done'; value: T } | { kind: 'late' }

/**
 * Runs `work` with a signal that aborts with the caller's or when the time is over. Work that does
 * not listen is left behind: its result is dropped, its error is not unhandled. Throws the reason of
 * the caller's abort, and what `work` throws in time.
 */
export async function withDeadline<T>(
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<InTime<T>> {
  signal.throwIfAborted()
  const timeout = new AbortController()
  const running = work(AbortSignal.any([signal, timeout.signal]))
  // Left behind, it may still fail; nobody waits for it then.
  running.catch(() => {})
  const stop = stopAfter(timeoutMs, signal)
  try {
    const first = await Promise.race([running.then((value) => ({ value })), stop.stopped])
    if (first === 'aborted') signal.throwIfAborted()
    if (first === 'late' || first === 'aborted') return { kind: 'late' }
    return { kind: 'done', value: first.value }
  } finally {
    timeout.abort()
    stop.clear()
  }
}

function stopAfter(timeoutMs: number, signal: AbortSignal) {
  let clear = () => {}
  const stopped = new Promise<'late' | 'aborted'>((resolve) => {
    const abort = () => resolve('aborted')
    const timer = setTimeout(() => resolve('late'), timeoutMs)
    signal.addEventListener('abort', abort, { once: true })
    clear = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  })
  return { stopped, clear: () => clear() }
}
