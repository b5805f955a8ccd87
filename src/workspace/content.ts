/**
 * Reads one file of a tree that may change at any moment, and gives it the id git would. What was
 * opened is looked at again before a byte is read; a file that grows, shrinks or is swapped while it
 * is read is told apart from a file with content.
 */
import { createHash, type Hash } from 'node:crypto'
import fs from 'node:fs'
import type { BytePath } from './byte-path.ts'
import type { Directory } from './directory.ts'

export type ObjectFormat = 'sha1' | 'sha256'

/** Files up to this many bytes are read once and kept; bigger ones are read twice. */
export const WHOLE_FILE_BYTES = 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

/** An open regular file. */
export interface OpenFile {
  fd: number
  /** Bytes, when it was opened. */
  size: number
  close(): void
}

/** Opens without following or blocking; undefined when it is no regular file (any more). */
export function openRegular(parent: Directory, name: BytePath): OpenFile | undefined {
  const fd = parent.openFile(name)
  const stat = fs.fstatSync(fd)
  if (stat.isFile()) return { fd, size: stat.size, close: () => fs.closeSync(fd) }
  fs.closeSync(fd)
  return undefined
}

/** The bytes from the start, exactly `size` of them; undefined when there are fewer or more. */
export function readWhole(file: OpenFile): Buffer | undefined {
  // One byte more tells a file that has grown.
  const buffer = Buffer.allocUnsafe(file.size + 1)
  let filled = 0
  while (filled < buffer.length) {
    const read = fs.readSync(file.fd, buffer, filled, buffer.length - filled, filled)
    if (read === 0) break
    filled += read
  }
  return filled === file.size ? buffer.subarray(0, filled) : undefined
}

/** The bytes in pieces, exactly `size` in sum: padded with zeros or cut when the file changes. */
export function* readPieces(file: OpenFile): Generator<Buffer> {
  for (let at = 0; at < file.size;) {
    const piece = Buffer.alloc(Math.min(CHUNK_BYTES, file.size - at))
    const read = fs.readSync(file.fd, piece, 0, piece.length, at)
    const bytes = read === 0 ? piece : piece.subarray(0, read)
    yield bytes
    at += bytes.length
  }
}

/** Id of a blob with this content. */
export function blobId(format: ObjectFormat, content: Uint8Array): string {
  return blobHash(format, content.length).update(content).digest('hex')
}

/** The hash of a blob, before its content. */
export function blobHash(format: ObjectFormat, size: number): Hash {
  return createHash(format).update(`blob ${size}\0`)
}
