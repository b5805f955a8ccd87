/**
 * Content-addressed bytes: `blobs/ab/cdef…` is the file whose sha256 is `abcdef…`.
 *
 * A blob appears whole or not at all (temporary file, fsync, rename, fsync of the directory), is
 * never changed (0400), and is checked against its name whenever it is read. Equal content is stored
 * once; storing it again makes it young, so that it is not collected before a row names it.
 */
import { createHash } from 'node:crypto'
import { constants, statSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { fileErrorCode, translateFileError } from './file-errors.ts'

const CHUNK_BYTES = 1024 * 1024
const INCOMING = 'incoming'

export interface BlobRef {
  sha256: string
  /** Bytes */
  size: number
}

/** Bytes in hand, or a file that nobody changes meanwhile. */
export type Content = Uint8Array | { file: string }

export function blobPath(blobsDir: string, sha256: string): string {
  return join(blobsDir, sha256.slice(0, 2), sha256.slice(2))
}

export function incomingDir(blobsDir: string): string {
  return join(blobsDir, INCOMING)
}

export function isBlobStored(blobsDir: string, { sha256, size }: BlobRef): boolean {
  return statSync(blobPath(blobsDir, sha256), { throwIfNoEntry: false })?.size === size
}

/** Durable when it returns. Throws `state_unusable`. */
export async function putBlob(blobsDir: string, content: Content): Promise<BlobRef> {
  try {
    if (!(content instanceof Uint8Array)) return await putFile(blobsDir, content.file)
    const sha256 = createHash('sha256').update(content).digest('hex')
    const blob = { sha256, size: content.length }
    if (await refresh(blobsDir, blob)) return blob
    return await withIncoming(blobsDir, async (handle, path) => {
      await handle.writeFile(content)
      return await settle(blobsDir, { blob, handle, path })
    })
  } catch (error) {
    throw translateFileError(error, 'Cannot store an artifact')
  }
}

/** The bytes piece by piece; throws `state_corrupt` at the first sign that they are not `blob`. */
export async function* readBlob(blobsDir: string, blob: BlobRef): AsyncGenerator<Uint8Array> {
  const handle = await openBlob(blobsDir, blob)
  try {
    const hash = createHash('sha256')
    let size = 0
    for await (const chunk of chunksOf(handle)) {
      hash.update(chunk)
      size += chunk.length
      if (size > blob.size) throw damaged(blob)
      yield chunk
    }
    if (size !== blob.size || hash.digest('hex') !== blob.sha256) throw damaged(blob)
  } finally {
    await handle.close()
  }
}

async function putFile(blobsDir: string, file: string): Promise<BlobRef> {
  const source = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return await withIncoming(blobsDir, async (handle, path) => {
      const hash = createHash('sha256')
      let size = 0
      for await (const chunk of chunksOf(source)) {
        hash.update(chunk)
        size += chunk.length
        await handle.writeFile(chunk)
      }
      const blob = { sha256: hash.digest('hex'), size }
      if (!(await refresh(blobsDir, blob))) return await settle(blobsDir, { blob, handle, path })
      return blob
    })
  } finally {
    await source.close()
  }
}

/** Whether the blob is there already; if so it is made young. */
async function refresh(blobsDir: string, { sha256, size }: BlobRef): Promise<boolean> {
  const path = blobPath(blobsDir, sha256)
  const known = await stat(path).catch(() => undefined)
  if (known?.size !== size) return false
  const now = new Date()
  await utimes(path, now, now)
  return true
}

let incomingCount = 0

/** A fresh file that is gone afterwards unless it was renamed. */
async function withIncoming<T>(
  blobsDir: string,
  work: (handle: FileHandle, path: string) => Promise<T>,
): Promise<T> {
  await mkdir(incomingDir(blobsDir), { recursive: true, mode: 0o700 })
  incomingCount += 1
  const path = join(incomingDir(blobsDir), `${process.pid}-${incomingCount}`)
  // What a dead process with the same pid left is of no use to anybody.
  await rm(path, { force: true })
  const handle = await open(path, 'wx', 0o400)
  try {
    return await work(handle, path)
  } finally {
    await handle.close()
    await rm(path, { force: true })
  }
}

async function settle(
  blobsDir: string,
  { blob, handle, path }: { blob: BlobRef; handle: FileHandle; path: string },
): Promise<BlobRef> {
  await handle.sync()
  const target = blobPath(blobsDir, blob.sha256)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  await rename(path, target)
  const directory = await open(dirname(target), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
  return blob
}

async function openBlob(blobsDir: string, blob: BlobRef): Promise<FileHandle> {
  try {
    return await open(blobPath(blobsDir, blob.sha256), constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT' || fileErrorCode(error) === 'ELOOP')
      throw damaged(blob, error)
    throw translateFileError(error, `Cannot read artifact content "${blob.sha256}"`)
  }
}

async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

function damaged({ sha256 }: BlobRef, cause?: unknown): OpenExecError {
  return new OpenExecError(
    'state_corrupt',
    `Cannot read artifact content "${sha256}": it is missing or was changed`,
    { hint: 'Run the task again to make the artifact anew', cause },
  )
}
