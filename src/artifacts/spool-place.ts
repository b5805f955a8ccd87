import { open, readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fileErrorCode } from './file-errors.ts'
import { cutMark, leftOutOf, type SpoolHeader, type StreamEnd } from './spool-format.ts'

export interface StreamFiles {
  /** The stream's main file. */
  path: string
  caps: Pick<SpoolHeader, 'head' | 'tail'>
  /** Known once the spool has ended. */
  end: StreamEnd | undefined
}

/** Bytes from `offset` on, at most `length`; or up to where none are kept; or nothing to be found. */
export type Found = { data: Buffer } | { leftOutUntil: number } | undefined

/** Reads what is kept at an offset of the stream, wherever it lies by now. */
export async function readPlace(
  { path, caps, end }: StreamFiles,
  { offset, length }: { offset: number; length: number },
): Promise<Found> {
  const head = end?.head ?? caps.head
  if (offset < head)
    return await readPart(path, { position: offset, length: Math.min(length, head - offset) })
  if (end !== undefined) {
    const tailStart = end.bytes - end.tail
    if (offset < tailStart) return { leftOutUntil: tailStart }
    const position = head + cutMark(leftOutOf(end)).length + offset - tailStart
    return await readPart(path, { position, length: Math.min(length, end.bytes - offset) })
  }
  const position = (offset - head) % caps.tail
  const segment = `${path}.${offset - position}`
  return await readPart(segment, { position, length: Math.min(length, caps.tail - position) })
}

/** Where the first segment begins that is kept after `offset`. */
export async function nextSegment(path: string, offset: number): Promise<number | undefined> {
  const prefix = `${basename(path)}.`
  const starts = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .filter((start) => start > offset)
  return starts.length === 0 ? undefined : Math.min(...starts)
}

async function readPart(
  path: string,
  { position, length }: { position: number; length: number },
): Promise<Found> {
  try {
    const handle = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
      return bytesRead === 0 ? undefined : { data: buffer.subarray(0, bytesRead) }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
