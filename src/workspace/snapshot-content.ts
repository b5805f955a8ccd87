/** Takes one file of a hostile tree into the object store, once, however often it occurs. */
import { setImmediate } from 'node:timers/promises'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import {
  blobHash,
  blobId,
  type ObjectFormat,
  type OpenFile,
  openRegular,
  readPieces,
  readWhole,
  WHOLE_FILE_BYTES,
} from './content.ts'
import { errorCode, type Directory } from './directory.ts'
import type { ObjectWriter } from './fast-import.ts'

export interface ContentTaker {
  /** The blob's id, or why there is none. */
  take(parent: Directory, name: BytePath): Promise<Taken> | Taken
  takeBytes(content: Buffer): Promise<Taken> | Taken
}

export type Taken = { oid: string } | { refused: 'unstable' | 'too_large' | 'unreadable' }

const ATTEMPTS_MAX = 3

export function openContentTaker(options: {
  format: ObjectFormat
  writer: ObjectWriter
  /** Ids that need no writing; asked for once, when something is to be written. */
  known(): Iterable<string>
  fileBytes: number
  totalBytes: number
}): ContentTaker {
  const { format, writer } = options
  let stored: Set<string> | undefined
  const isStored = (oid: string): boolean => (stored ??= new Set(options.known())).has(oid)
  let total = 0
  const count = (bytes: number): void => {
    total += bytes
    if (total > options.totalBytes) throw tooMuch(options.totalBytes)
  }
  const takeBytes = (content: Buffer): Promise<Taken> | Taken => {
    count(content.length)
    const oid = blobId(format, content)
    if (isStored(oid)) return { oid }
    stored?.add(oid)
    return writer.blob(content.length, [content]).then(() => ({ oid }))
  }
  const takePieces = async (file: OpenFile): Promise<Taken> => {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      count(file.size)
      const oid = await hashPieces(format, file)
      if (isStored(oid)) return { oid }
      const second = blobHash(format, file.size)
      await writer.blob(file.size, hashed(readPieces(file), second))
      // The same bytes twice, or the file is being written while it is read.
      if (second.digest('hex') === oid) {
        stored?.add(oid)
        return { oid }
      }
    }
    return { refused: 'unstable' }
  }
  return {
    takeBytes,
    take(parent, name) {
      const file = openOrRefuse(parent, name)
      if ('refused' in file) return file
      if (file.size > options.fileBytes) {
        file.close()
        return { refused: 'too_large' }
      }
      if (file.size > WHOLE_FILE_BYTES) return takePieces(file).finally(file.close)
      try {
        const content = readWhole(file)
        return content === undefined ? { refused: 'unstable' } : takeBytes(content)
      } finally {
        file.close()
      }
    },
  }
}

function openOrRefuse(
  parent: Directory,
  name: BytePath,
): OpenFile | { refused: 'unstable' | 'unreadable' } {
  try {
    return openRegular(parent, name) ?? { refused: 'unstable' }
  } catch (error) {
    const denied = errorCode(error) === 'EACCES' || errorCode(error) === 'EPERM'
    return { refused: denied ? 'unreadable' : 'unstable' }
  }
}

async function hashPieces(format: ObjectFormat, file: OpenFile): Promise<string> {
  const hash = blobHash(format, file.size)
  for (const piece of readPieces(file)) {
    hash.update(piece)
    await setImmediate()
  }
  return hash.digest('hex')
}

function* hashed(
  pieces: Iterable<Buffer>,
  hash: { update(piece: Buffer): unknown },
): Generator<Buffer> {
  for (const piece of pieces) {
    hash.update(piece)
    yield piece
  }
}

function tooMuch(bytes: number): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    `Cannot take a snapshot: over ${bytes} changed bytes`,
    {
      hint: 'Ignore generated files with a .gitignore in the repository',
      details: { limit: 'bytes', bytes },
    },
  )
}
