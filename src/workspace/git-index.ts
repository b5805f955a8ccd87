/**
 * Git's index file, version 2, written and read by us: an index that carries the file times of a
 * fresh workspace makes the first `git status` inside cheap, and the same file on the host tells a
 * later process which files were not touched since. Only indexes made here are read.
 */
import { createHash } from 'node:crypto'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, fromBytes } from './byte-path.ts'
import type { ObjectFormat } from './content.ts'

/** Numbers are cut to 32 bits, as git does. */
export interface IndexEntry {
  path: BytePath
  mode: number
  oid: string
  ctimeS: number
  ctimeNs: number
  mtimeS: number
  mtimeNs: number
  dev: number
  ino: number
  uid: number
  gid: number
  size: number
}

const HEADER_BYTES = 12
const STAT_BYTES = 40
const NAME_LENGTH_MAX = 0xfff

/** The file as bytes; entries in any order. */
export function encodeIndex(entries: readonly IndexEntry[], format: ObjectFormat): Buffer {
  const sorted = entries.toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)))
  const oidBytes = oidLength(format)
  const sizes = sorted.map((entry) => entrySize(entry.path.length, oidBytes))
  const body = Buffer.alloc(HEADER_BYTES + sizes.reduce((sum, size) => sum + size, 0))
  body.write('DIRC', 0, 'latin1')
  body.writeUInt32BE(2, 4)
  body.writeUInt32BE(sorted.length, 8)
  let at = HEADER_BYTES
  for (const [position, entry] of sorted.entries()) {
    writeEntry(body, at, entry)
    at += sizes[position] ?? 0
  }
  return Buffer.concat([body, createHash(format).update(body).digest()])
}

/** Fails with `workspace_failed` on anything `encodeIndex` would not have written. */
export function decodeIndex(bytes: Buffer, format: ObjectFormat): IndexEntry[] {
  const oidBytes = oidLength(format)
  const body = bytes.subarray(0, Math.max(0, bytes.length - oidBytes))
  const digest = createHash(format).update(body).digest()
  const intact = bytes.length >= HEADER_BYTES + oidBytes && digest.equals(bytes.subarray(-oidBytes))
  if (!intact || body.toString('latin1', 0, 4) !== 'DIRC' || body.readUInt32BE(4) !== 2) {
    throw new OpenExecError('workspace_failed', 'Cannot read the index of the workspace: damaged')
  }
  const entries: IndexEntry[] = []
  let at = HEADER_BYTES
  for (let left = body.readUInt32BE(8); left > 0; left--) {
    const entry = decodeEntry(body, at, oidBytes)
    entries.push(entry)
    at += entrySize(entry.path.length, oidBytes)
  }
  return entries
}

/** One entry as it stands in the file. */
export function encodeEntry(entry: IndexEntry, format: ObjectFormat): Buffer {
  const bytes = Buffer.alloc(entrySize(entry.path.length, oidLength(format)))
  writeEntry(bytes, 0, entry)
  return bytes
}

/** Where the name of the entry at `start` lies, and where the next entry begins. */
export function entryAt(
  bytes: Buffer,
  start: number,
  oidBytes: number,
): { nameStart: number; nameEnd: number; next: number } {
  const flags = start + STAT_BYTES + oidBytes
  const length = bytes.readUInt16BE(flags) & NAME_LENGTH_MAX
  const nameStart = flags + 2
  // Paths of 4095 bytes and more carry no length: the NUL behind them ends them.
  const nameEnd = length < NAME_LENGTH_MAX ? nameStart + length : bytes.indexOf(0, nameStart)
  return { nameStart, nameEnd, next: start + entrySize(nameEnd - nameStart, oidBytes) }
}

function writeEntry(body: Buffer, start: number, entry: IndexEntry): void {
  const numbers = [
    entry.ctimeS,
    entry.ctimeNs,
    entry.mtimeS,
    entry.mtimeNs,
    entry.dev,
    entry.ino,
    entry.mode,
    entry.uid,
    entry.gid,
    entry.size,
  ]
  let at = start
  for (const value of numbers) at = body.writeUInt32BE(value >>> 0, at)
  at += body.write(entry.oid, at, 'hex')
  at = body.writeUInt16BE(Math.min(entry.path.length, NAME_LENGTH_MAX), at)
  body.write(entry.path, at, 'latin1')
}

export function decodeEntry(body: Buffer, start: number, oidBytes: number): IndexEntry {
  const word = (position: number): number => body.readUInt32BE(start + position * 4)
  const { nameStart, nameEnd } = entryAt(body, start, oidBytes)
  return {
    path: fromBytes(body.subarray(nameStart, nameEnd)),
    mode: word(6),
    oid: body.toString('hex', start + STAT_BYTES, start + STAT_BYTES + oidBytes),
    ctimeS: word(0),
    ctimeNs: word(1),
    mtimeS: word(2),
    mtimeNs: word(3),
    dev: word(4),
    ino: word(5),
    uid: word(7),
    gid: word(8),
    size: word(9),
  }
}

/** Padded with one to eight NUL bytes to a multiple of eight. */
function entrySize(nameBytes: number, oidBytes: number): number {
  return (STAT_BYTES + oidBytes + 2 + nameBytes + 8) & ~7
}

export function oidLength(format: ObjectFormat): number {
  return format === 'sha1' ? 20 : 32
}
