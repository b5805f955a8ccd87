/**
 * Whether the index of a repository holds a path: looked up in the file itself, because git is only
 * started once it is known that nothing of the state directory comes from the repository. Versions 2
 * to 4 and split indexes; a file that cannot be understood holds what it was asked for.
 */
import fs from 'node:fs'
import { join, resolve } from 'node:path'

const INDEX_BYTES_MAX = 1024 * 1024 * 1024
const POINTER_BYTES_MAX = 8192

/** `dotGit` is the `.git` of a checkout, a directory or a file that names one. */
export function indexHolds(dotGit: string, path: string): boolean {
  const gitDir = gitDirOf(dotGit)
  if (gitDir === undefined) return false
  return filesOf(gitDir).some((file) => holds(file, path))
}

function gitDirOf(dotGit: string): string | undefined {
  const stat = fs.statSync(dotGit, { throwIfNoEntry: false })
  if (stat === undefined || stat.isDirectory()) return stat && dotGit
  if (!stat.isFile() || stat.size > POINTER_BYTES_MAX) return undefined
  const target = /^gitdir: (.+)/.exec(fs.readFileSync(dotGit, 'utf8'))?.[1]
  return target && resolve(dotGit, '..', target)
}

/** A split index keeps most of its entries in a file beside it. */
function filesOf(gitDir: string): string[] {
  const names = fs.existsSync(gitDir) ? fs.readdirSync(gitDir) : []
  return names
    .filter((name) => name === 'index' || /^sharedindex\.[0-9a-f]+$/.test(name))
    .map((name) => join(gitDir, name))
}

function holds(file: string, path: string): boolean {
  const stat = fs.statSync(file)
  if (!stat.isFile() || stat.size > INDEX_BYTES_MAX) return true
  const bytes = fs.readFileSync(file)
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, 4) !== 'DIRC') return true
  const found = [20, 32].map((hashBytes) => search(bytes, hashBytes, new Wanted(path)))
  // Read with the wrong length of hashes, an index does not make sense.
  return found.every((each) => each === undefined) || found.includes(true)
}

const HEADER_BYTES = 12
/** Ten words of 32 bits before the hash, and 16 bits of flags after it. */
const STAT_BYTES = 40
const EXTENDED = 0x4000
const NAME_MASK = 0x0fff

/** A path as bytes read as latin1, in any case: some file systems take them for the same. */
class Wanted {
  readonly #folded: string

  constructor(path: string) {
    this.#folded = Buffer.from(path).toString('latin1').toLowerCase()
  }

  /** Cheap, and right about most of the names of a large repository. */
  mayBegin(byte: number | undefined): boolean {
    return byte !== undefined && String.fromCharCode(byte).toLowerCase() === this.#folded[0]
  }

  is(name: string): boolean {
    const other = name.toLowerCase()
    return other === this.#folded || other.startsWith(`${this.#folded}/`)
  }
}

/** `undefined` when the bytes are no index with hashes of this length. */
function search(bytes: Buffer, hashBytes: number, wanted: Wanted): boolean | undefined {
  const version = bytes.readUInt32BE(4)
  const count = bytes.readUInt32BE(8)
  let at = HEADER_BYTES
  let before = ''
  for (let entry = 0; entry < count; entry++) {
    const start = at
    const flagsAt = start + STAT_BYTES + hashBytes
    if (flagsAt + 4 > bytes.length) return undefined
    const flags = bytes.readUInt16BE(flagsAt)
    at = flagsAt + (version >= 3 && (flags & EXTENDED) !== 0 ? 4 : 2)
    const strip = version === 4 ? readVarint(bytes, at) : { value: 0, next: at }
    if (strip === undefined || strip.value > before.length) return undefined
    const kept = version === 4 ? before.slice(0, before.length - strip.value) : ''
    const end = bytes.indexOf(0, strip.next)
    const length = kept.length + end - strip.next
    if (end === -1 || (flags & NAME_MASK) !== Math.min(length, NAME_MASK)) return undefined
    if (version === 4 || wanted.mayBegin(bytes[strip.next])) {
      before = kept + bytes.toString('latin1', strip.next, end)
      if (wanted.is(before)) return true
    }
    // Up to version 3, entries end in one to eight zeros at a multiple of eight.
    at = version === 4 ? end + 1 : start + Math.ceil((end + 1 - start) / 8) * 8
  }
  return false
}

/** Git's offset encoding: seven bits a byte, most significant first, each further byte adds one. */
function readVarint(bytes: Buffer, from: number): { value: number; next: number } | undefined {
  let next = from
  let byte = bytes[next++]
  if (byte === undefined) return undefined
  let value = byte & 0x7f
  while ((byte & 0x80) !== 0) {
    byte = bytes[next++]
    if (byte === undefined || value > 0xffffff) return undefined
    value = ((value + 1) << 7) + (byte & 0x7f)
  }
  return { value, next }
}
