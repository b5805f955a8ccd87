/**
 * One stream of a command on disk: its first `head` bytes and its last `tail` bytes, whatever its
 * length, with nothing of it in memory. What is kept depends on the bytes alone, not on how they
 * came.
 */
import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { openRollingTail } from './rolling-tail.ts'
import { cutMark, leftOutOf, type StreamEnd } from './spool-format.ts'
import { writeAll } from './write-all.ts'

export interface CappedFile {
  append(bytes: Uint8Array): Promise<void>
  /** Joins start and end; the file is whole then. */
  finish(): Promise<StreamEnd & { sha256: string }>
  /** Closes what is open, in any state. */
  close(): Promise<void>
}

/**
 * `resumedAt`: how much of the stream an earlier process has stored here for good; what lies beyond is
 * written anew, and stays readable until then.
 */
export async function openCappedFile(
  path: string,
  caps: { head: number; tail: number },
  resumedAt?: number,
): Promise<CappedFile> {
  const flags = resumedAt === undefined ? 'wx+' : constants.O_RDWR | constants.O_CREAT
  const main = await open(path, flags, 0o600)
  const tail = await openRollingTail(path, { maxBytes: caps.tail, until: resumedAt })
  const from = resumedAt ?? 0
  let bytes = from
  // What is left out already cannot be read again; then the hash is that of what is kept.
  const isWhole = from <= caps.head + tail.size()
  const hash = createHash('sha256')
  if (isWhole) await rehash(main, Math.min(from, caps.head), hash)
  if (isWhole) await tail.read((piece) => void hash.update(piece))
  return {
    append: async (piece) => {
      if (isWhole) hash.update(piece)
      const start = piece.subarray(0, Math.max(0, caps.head - bytes))
      await writeAll(main, start, bytes)
      bytes += start.length
      await tail.append(piece.subarray(start.length), bytes)
      bytes += piece.length - start.length
    },
    finish: async () => {
      const head = Math.min(bytes, caps.head)
      const end: StreamEnd = { bytes, head, tail: Math.min(bytes - head, caps.tail, tail.size()) }
      const mark = cutMark(leftOutOf(end))
      await writeAll(main, mark, head)
      await tail.copyLast(end.tail, { to: main, position: head + mark.length })
      const size = head + mark.length + end.tail
      // An earlier process may have written further than it could tell.
      await main.truncate(size)
      if (isWhole) return { ...end, sha256: hash.digest('hex') }
      const kept = createHash('sha256')
      await rehash(main, size, kept)
      return { ...end, sha256: kept.digest('hex') }
    },
    close: async () => {
      await Promise.allSettled([main.close(), tail.close()])
    },
  }
}

const READ_BYTES = 256 * 1024

async function rehash(file: FileHandle, size: number, hash: Hash): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(size, READ_BYTES))
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at)
    if (bytesRead === 0)
      throw new Error('Cannot read back spooled output: it is shorter than it was')
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
}
