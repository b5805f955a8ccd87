/**
 * A process that lives long looks again and again for what dead ones left, and for sandboxes that
 * wait in vain: at its start, and then on a timer. One round at a time; a round that fails is told
 * and tried again.
 */
import type { Log } from '../schema/index.ts'
import type { Sandboxes } from '../sandbox/index.ts'
import { keepDoing } from './keep-doing.ts'
import type { Runtime } from './runtime.ts'

const INTERVAL_MS = 60_000

/** Ends when the signal aborts. Never throws. */
export async function keepTidy(
  { recover }: Pick<Runtime, 'recover'>,
  given: {
    sandboxes: Pick<Sandboxes, 'tidy'>
    log: Log
    signal: AbortSignal
    intervalMs?: number
  },
): Promise<void> {
  const { sandboxes, log, signal, intervalMs = INTERVAL_MS } = given
  await keepDoing({ action: 'tidy up', restMs: intervalMs, log, signal }, async () => {
    const ends = await Promise.allSettled([recover({ signal }), sandboxes.tidy()])
    for (const end of ends)
      if (end.status === 'rejected' && !signal.aborted)
        log.warn(`Cannot tidy up: ${end.reason instanceof Error ? end.reason.message : 'failed'}`)
    return intervalMs
  })
}
