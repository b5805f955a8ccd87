/** The last bytes of each stream of a run: errors stand at the end, and a client has little room. */

const KEPT_BYTES = 16 * 1024

interface StreamEnd {
  text: string
  /** Bytes before `text`. */
  left_out: number
}

export interface OutputEnds {
  push(stream: 'stdout' | 'stderr', bytes: Uint8Array): void
  texts(): Record<'stdout' | 'stderr', StreamEnd>
}

export function createOutputEnds(): OutputEnds {
  const kept = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  const seen = { stdout: 0, stderr: 0 }
  const textOf = (stream: 'stdout' | 'stderr'): StreamEnd => ({
    text: kept[stream].toString('utf8'),
    left_out: seen[stream] - kept[stream].length,
  })
  return {
    push(stream, bytes) {
      seen[stream] += bytes.length
      kept[stream] = Buffer.from(Buffer.concat([kept[stream], bytes]).subarray(-KEPT_BYTES))
    },
    texts: () => ({ stdout: textOf('stdout'), stderr: textOf('stderr') }),
  }
}
