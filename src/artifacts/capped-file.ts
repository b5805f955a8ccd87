/**
 * One stream of a command on disk: its first `head` bytes and its last `tail` bytes, whatever its
 * length, with nothing of it in memory. What is kept depends on the bytes alone, not on how they
 * came.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { createRollingTail } from './rolling-tail.ts'
import { cutMark, leftOutOf, type StreamEnd } from './spool-format.ts'
import { writeAll } from './write-all.ts'

export interface CappedFile {
  append(bytes: Uint8Array): Promise<void>
  /** Joins start and end; the file is whole then. */
  finish(): Promise<StreamEnd & { sha256: string }>
  /** Closes what is open, in any state. */
  close(): Promise<void>
}

export async function openCappedFile(
  path: string,
  caps: { head: number; tail: number },
): Promise<CappedFile> {
  const main = await open(path, 'wx', 0o600)
  const tail = createRollingTail(path, caps.tail)
  const hash = createHash('sha256')
  let bytes = 0
  return {
    append: async (piece) => {
      hash.update(piece)
      const start = piece.subarray(0, Math.max(0, caps.head - bytes))
      await writeAll(main, start, bytes)
      bytes += start.length
      await tail.append(piece.subarray(start.length), bytes)
      bytes += piece.length - start.length
    },
    finish: async () => {
      const head = Math.min(bytes, caps.head)
      const end: StreamEnd = { bytes, head, tail: Math.min(bytes - head, caps.tail) }
      const mark = cutMark(leftOutOf(end))
      await writeAll(main, mark, head)
      await tail.copyLast(end.tail, { to: main, position: head + mark.length })
      return { ...end, sha256: hash.digest('hex') }
    },
    close: async () => {
      await Promise.allSettled([main.close(), tail.close()])
    },
  }
}
