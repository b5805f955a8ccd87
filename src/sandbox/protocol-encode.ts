/** Frames to the supervisor as bytes. */
import { HEADER_BYTES, type StreamId, type ToType } from './protocol.ts'

/** Ends every frame to the supervisor; the session key never contains it. */
const END = Buffer.from('\n')

/** Parts from this size on go out as they are; below it copying costs less than another part. */
const LARGE_BYTES = 4096

/**
 * One frame to the supervisor out of the parts of its payload, as what to write in order. Large
 * parts are not copied: they must stay as they are until they are written.
 */
export function framePieces(
  type: ToType,
  channel: number,
  parts: readonly Uint8Array[],
  stream: StreamId = 0,
): readonly Uint8Array[] {
  const last = parts.at(-1)
  if (last === undefined || last.length < LARGE_BYTES)
    return [encodeFrame(type, channel, parts, stream)]
  const header = headerOf(type, channel, parts, stream)
  return [Buffer.concat([header, ...parts.slice(0, -1)]), last, END]
}

/** The same as one buffer. */
export function encodeFrame(
  type: ToType,
  channel: number,
  parts: readonly Uint8Array[],
  stream: StreamId = 0,
): Buffer {
  return Buffer.concat([headerOf(type, channel, parts, stream), ...parts, END])
}

function headerOf(
  type: ToType,
  channel: number,
  parts: readonly Uint8Array[],
  stream: StreamId,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header[0] = type
  header[1] = stream
  header.writeUInt32BE(channel, 4)
  header.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 0),
    8,
  )
  return header
}
