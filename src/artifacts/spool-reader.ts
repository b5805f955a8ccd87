/**
 * Reads one spool while it grows or after it ended, in order of arrival. Bytes that are not kept
 * come as one piece that says how many there were; nothing is skipped in silence.
 */
import { indexPath, type SpoolName, type Stream, streamPath } from './spool-format.ts'
import { type Found, nextSegment, readPlace } from './spool-place.ts'
import { createSpoolRecords, type SpoolRecords } from './spool-records.ts'

const PIECE_BYTES_MAX = 64 * 1024

export interface OutputPiece {
  /** As the caller named the command. */
  step: string
  /** Orders the commands of a run. */
  n: number
  stream: Stream
  /** Bytes of this stream before `data`. */
  offset: number
  data: Uint8Array
  /** Bytes from `offset` on that are not kept; `data` is empty then. */
  leftOut: number
}

export interface SpoolReader {
  /** Whether everything was read and nothing will follow. */
  readonly ended: boolean
  /** What is there beyond what was read before. */
  read(): AsyncGenerator<OutputPiece>
  /** Goes past what is there. */
  skip(): Promise<void>
}

export function createSpoolReader(outputDir: string, { base, n }: SpoolName): SpoolReader {
  const records = createSpoolRecords(indexPath(outputDir, base))
  const offsets = { stdout: 0, stderr: 0 }
  /** Offsets up to which it was said that bytes are left out. */
  const told = { stdout: 0, stderr: 0 }
  const readRange = async function* (stream: Stream, until: number): AsyncGenerator<OutputPiece> {
    const path = streamPath(outputDir, base, stream)
    while (offsets[stream] < until) {
      const offset = Math.min(until, Math.max(offsets[stream], told[stream]))
      offsets[stream] = offset
      if (offset === until) return
      const length = Math.min(until - offset, PIECE_BYTES_MAX)
      const found = await find({ path, stream, records }, { offset, length })
      const common = { step: records.header?.step ?? base, n, stream, offset }
      if (found !== undefined && 'data' in found) {
        offsets[stream] += found.data.length
        yield { ...common, data: found.data, leftOut: 0 }
      } else {
        told[stream] = found?.leftOutUntil ?? until
        yield { ...common, data: new Uint8Array(), leftOut: told[stream] - offset }
      }
    }
  }
  return {
    get ended() {
      return records.ended
    },
    read: async function* () {
      for await (const { stream, bytes } of records.next())
        yield* readRange(stream, offsets[stream] + bytes)
    },
    skip: async () => {
      for await (const { stream, bytes } of records.next()) offsets[stream] += bytes
    },
  }
}

async function find(
  { path, stream, records }: { path: string; stream: Stream; records: SpoolRecords },
  place: { offset: number; length: number },
): Promise<Found> {
  const { header: caps = { head: 0, tail: 1 } } = records
  const found = await readPlace({ path, caps, end: records.end?.[stream] }, place)
  if (found !== undefined) return found
  // The segment is gone: newer bytes pushed it out, or the spool ended meanwhile.
  const end = await records.lookForEnd()
  const again = end && (await readPlace({ path, caps, end: end[stream] }, place))
  if (again !== undefined) return again
  const next = await nextSegment(path, place.offset)
  return next === undefined ? undefined : { leftOutUntil: next }
}
