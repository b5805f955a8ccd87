import type { Bell } from './bell.ts'

/** Events read at once. */
export const BATCH_SIZE = 100

/**
 * What `read` gives, over and over; after an empty batch, once the bell has rung. Ends at abort, and
 * when the timeline is closed. The reader moves on what `read` begins after.
 */
export async function* batchesOf<T>(
  bell: Bell,
  key: Parameters<Bell['arm']>[0],
  { read, signal }: { read(): readonly T[]; signal: AbortSignal },
): AsyncGenerator<readonly T[]> {
  while (!signal.aborted && !bell.over) {
    // Armed before the read, so that no append falls between the two.
    const { rung, disarm } = bell.arm(key)
    signal.addEventListener('abort', disarm)
    try {
      const batch = read()
      yield batch
      if (batch.length === 0) await rung
    } finally {
      signal.removeEventListener('abort', disarm)
      disarm()
    }
  }
}
