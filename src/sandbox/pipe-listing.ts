/** Reads what a listing and a probe answer with. Hostile: every length is checked before use. */
import type { FileStat } from '../schema/index.ts'
import { readFileStat, readU64 } from './protocol-messages.ts'
import { violation } from './protocol.ts'
import type { DirectoryEntry } from './sandbox.ts'

const ENTRY_FIXED_BYTES = 24
const SECTION_FIXED_BYTES = 8
const MISSING = 1

/** Sorted by the bytes of the names, whatever order the directory has. */
export function readEntries(bytes: Buffer): DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < ENTRY_FIXED_BYTES) throw violation('an entry of a listing is cut off')
    const nameAt = at + ENTRY_FIXED_BYTES
    const name = bytes.subarray(nameAt, nameAt + bytes.readUInt16BE(at + 2))
    if (!isName(name, bytes.readUInt16BE(at + 2))) throw violation('a listing holds a wrong name')
    entries.push({ ...statOf(bytes.subarray(at, nameAt)), name })
    at = nameAt + name.length
  }
  return entries.toSorted((a, b) => Buffer.compare(a.name, b.name))
}

function statOf(fixed: Buffer): FileStat {
  const { type, mode } = readFileStat(fixed)
  return { type, mode, size: readU64(fixed, 8) }
}

/** A name that could lead elsewhere when it is joined to its directory is none. */
function isName(name: Buffer, length: number): boolean {
  const text = name.toString('latin1')
  return (
    name.length === length && length > 0 && !/[/\0]/.test(text) && text !== '.' && text !== '..'
  )
}

/** Path → content of each file the probe found; what is not there is left out. */
export function readSections(bytes: Buffer): Map<string, string> {
  const files = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < SECTION_FIXED_BYTES) throw violation('a section of a probe is cut off')
    const contentAt = at + SECTION_FIXED_BYTES + bytes.readUInt16BE(at)
    const end = contentAt + bytes.readUInt32BE(at + 4)
    if (end > bytes.length) throw violation('a section of a probe is cut off')
    if (bytes.readUInt16BE(at + 2) !== MISSING)
      files.set(
        bytes.toString('utf8', at + SECTION_FIXED_BYTES, contentAt),
        bytes.toString('utf8', contentAt, end),
      )
    at = end
  }
  return files
}
