/**
 * When a follower looks at the output of a run: every now and then, often in the moments after a
 * command began, and at once when somebody waits for what has been written.
 */

const REST_MS = 50
/** Between two looks while output is about to come. */
const SHORT_REST_MS = 4
/** How long after the beginning of a command it is. */
const HURRY_MS = 250

export interface OutputLooks {
  /** A look begins. */
  begin(): void
  /** Between two looks. */
  rest(): Promise<void>
  /** Output is about to come. */
  hurry(): void
  /** Settles when a look that began after this call is over. */
  next(): Promise<void>
}

/** All waits end when `signal` aborts. `now` is monotonic `ms`. */
export function createLooks(signal: AbortSignal, now: () => number): OutputLooks {
  let begun = 0
  let waiting: { until: number; settle(): void }[] = []
  let hurryUntil = 0
  let wake = () => {}
  signal.addEventListener('abort', () => {
    wake()
    for (const { settle } of waiting) settle()
  })
  return {
    begin() {
      begun += 1
      for (const { until, settle } of waiting) if (begun >= until) settle()
      waiting = waiting.filter(({ until }) => begun < until)
    },
    rest() {
      if (signal.aborted || waiting.length > 0) return Promise.resolve()
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, now() < hurryUntil ? SHORT_REST_MS : REST_MS)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
    hurry() {
      hurryUntil = now() + HURRY_MS
      wake()
    },
    next: () =>
      new Promise((settle) => {
        if (signal.aborted) return settle()
        // The next look begins after this call; when the one after it begins, that one is over.
        waiting.push({ until: begun + 2, settle })
        wake()
      }),
  }
}
