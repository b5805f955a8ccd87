/** Creates one file or symbolic link from a blob, at a name that must not exist yet. */
import fs from 'node:fs'
import type { BlobReader } from './blob-reader.ts'
import type { BytePath } from './byte-path.ts'
import { toDosLines } from './line-endings.ts'
import type { Directory } from './directory.ts'

export interface EntrySource {
  /** `100644`, `100755` or `120000`. */
  mode: string
  oid: string
  /** Undefined keeps the creating account. */
  owner: { uid: number; gid: number } | undefined
  /** Writes CRLF where the blob has LF. */
  dosLines: boolean
}

const LINK_BYTES_MAX = 4096
const TEXT_BYTES_MAX = 64 * 1024 * 1024

export async function writeEntry(
  reader: BlobReader,
  at: { parent: Directory; name: BytePath },
  source: EntrySource,
): Promise<void> {
  const { parent, name } = at
  const { owner } = source
  if (source.mode === '120000') {
    fs.symlinkSync(await reader.read(source.oid, LINK_BYTES_MAX), parent.at(name))
    if (owner !== undefined) fs.lchownSync(parent.at(name), owner.uid, owner.gid)
    return
  }
  const fd = parent.createFile(name, source.mode === '100755' ? 0o777 : 0o666)
  try {
    const write = (piece: Buffer): void => {
      for (let done = 0; done < piece.length;) done += fs.writeSync(fd, piece, done)
    }
    if (source.dosLines) write(toDosLines(await reader.read(source.oid, TEXT_BYTES_MAX)))
    else await reader.pipe(source.oid, write)
    if (owner !== undefined) fs.fchownSync(fd, owner.uid, owner.gid)
  } finally {
    fs.closeSync(fd)
  }
}
