/** The newest bytes of a stream on disk, in at most two files, so that at least `maxBytes` are there. */
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { writeAll } from './write-all.ts'

const COPY_BYTES = 256 * 1024

interface Segment {
  path: string
  handle: FileHandle
  size: number
}

export interface RollingTail {
  /** Bytes that are kept just now. */
  size(): number
  /** All of it, in order. */
  read(take: (piece: Buffer) => void): Promise<void>
  /** `offset` is where `bytes` stand in the stream; calls must be contiguous. */
  append(bytes: Uint8Array, offset: number): Promise<void>
  /** Copies the last `bytes` to a place in another file. */
  copyLast(bytes: number, target: { to: FileHandle; position: number }): Promise<void>
  /** Closes and removes the files. */
  close(): Promise<void>
}

/**
 * Segments lie at `<path>.<offset of their first byte>`. Those that an earlier process has left are
 * taken over as far as the stream went until then; what lies beyond is forgotten.
 */
export async function openRollingTail(
  path: string,
  { maxBytes, until }: { maxBytes: number; until: number | undefined },
): Promise<RollingTail> {
  let segments = until === undefined ? [] : await takeOver(path, until)
  const roomySegment = async (offset: number): Promise<Segment> => {
    const newest = segments.at(-1)
    if (newest !== undefined && newest.size < maxBytes) return newest
    const [oldest] = segments
    if (oldest !== undefined && segments.length === 2) {
      segments = segments.slice(1)
      await removeSegment(oldest)
    }
    const segmentPath = `${path}.${offset}`
    const handle = await open(segmentPath, 'wx+', 0o600)
    const segment = { path: segmentPath, handle, size: 0 }
    segments.push(segment)
    return segment
  }
  return {
    size: () => segments.reduce((sum, { size }) => sum + size, 0),
    read: async (take) => {
      for (const segment of segments) await readSegment(segment, 0, (piece) => take(piece))
    },
    append: async (bytes, offset) => {
      let done = 0
      while (done < bytes.length) {
        const segment = await roomySegment(offset + done)
        const part = bytes.subarray(done, done + maxBytes - segment.size)
        await writeAll(segment.handle, part, segment.size)
        segment.size += part.length
        done += part.length
      }
    },
    copyLast: async (bytes, { to, position }) => {
      const available = segments.reduce((sum, { size }) => sum + size, 0)
      let skip = available - bytes
      let written = 0
      for (const segment of segments) {
        const start = Math.min(skip, segment.size)
        skip -= start
        written += await copySegment(segment, start, { to, position: position + written })
      }
    },
    close: async () => {
      await Promise.allSettled(segments.map(removeSegment))
    },
  }
}

async function takeOver(path: string, until: number): Promise<Segment[]> {
  const prefix = `${basename(path)}.`
  const starts = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b)
  const segments: Segment[] = []
  for (const start of starts) {
    const segmentPath = `${path}.${start}`
    if (start >= until) await rm(segmentPath, { force: true })
    else {
      const handle = await open(segmentPath, 'r+')
      const { size } = await handle.stat()
      segments.push({ path: segmentPath, handle, size: Math.min(size, until - start) })
    }
  }
  return segments
}

async function copySegment(
  segment: Segment,
  start: number,
  { to, position }: { to: FileHandle; position: number },
): Promise<number> {
  await readSegment(segment, start, (piece, at) => writeAll(to, piece, position + at - start))
  return segment.size - start
}

async function readSegment(
  { handle, size }: Segment,
  start: number,
  take: (piece: Buffer, at: number) => void | Promise<void>,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES)
  let at = start
  while (at < size) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(COPY_BYTES, size - at), at)
    if (bytesRead === 0)
      throw new Error('Cannot read back spooled output: it is shorter than it was')
    await take(buffer.subarray(0, bytesRead), at)
    at += bytesRead
  }
}

async function removeSegment({ path, handle }: Segment): Promise<void> {
  await handle.close()
  await rm(path, { force: true })
}
