/**
 * An index file of ours as it lies in memory, without an object for each entry: looking up what a
 * few directories of a large tree hold costs what those directories cost.
 */
import { createHash } from 'node:crypto'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, toBytes } from './byte-path.ts'
import type { ObjectFormat } from './content.ts'
import { decodeEntry, encodeEntry, entryAt, type IndexEntry, oidLength } from './git-index.ts'

const HEADER_BYTES = 12

export class SeedIndex {
  readonly count: number
  readonly #bytes: Buffer
  readonly #format: ObjectFormat
  /** Where each entry begins, and behind them all the end. */
  readonly #starts: Uint32Array
  readonly #nameStarts: Uint32Array
  readonly #nameEnds: Uint32Array

  /** `bytes` were written by `encodeIndex()` into a directory that nobody else writes to. */
  constructor(bytes: Buffer, format: ObjectFormat) {
    if (bytes.toString('latin1', 0, 4) !== 'DIRC')
      throw new OpenExecError('workspace_failed', 'Cannot read the index of a seed: damaged')
    const count = bytes.readUInt32BE(8)
    const oidBytes = oidLength(format)
    this.#bytes = bytes
    this.#format = format
    this.count = count
    this.#starts = new Uint32Array(count + 1)
    this.#nameStarts = new Uint32Array(count)
    this.#nameEnds = new Uint32Array(count)
    let start = HEADER_BYTES
    for (let n = 0; n < count; n++) {
      const { nameStart, nameEnd, next } = entryAt(bytes, start, oidBytes)
      this.#starts[n] = start
      this.#nameStarts[n] = nameStart
      this.#nameEnds[n] = nameEnd
      start = next
    }
    this.#starts[count] = start
  }

  /** Entries right in a directory, and the directories right in it. */
  childrenOf(directory: BytePath): { files: IndexEntry[]; directories: BytePath[] } {
    const prefix = directory === '' ? '' : `${directory}/`
    const files: IndexEntry[] = []
    const directories: BytePath[] = []
    for (let n = this.#seek(prefix); n < this.count;) {
      const path = this.#path(n)
      if (!path.startsWith(prefix)) break
      const slash = path.indexOf('/', prefix.length)
      if (slash < 0) {
        files.push(this.#entry(n++))
        continue
      }
      const below = path.slice(0, slash)
      directories.push(below)
      // The character after a slash ends what lies below it.
      n = this.#seek(`${below}0`)
    }
    return { files, directories }
  }

  /** Entries with this name, wherever they lie. */
  named(name: string): IndexEntry[] {
    const [alone, within] = [toBytes(name), toBytes(`/${name}`)]
    const found: IndexEntry[] = []
    for (let n = 0; n < this.count; n++) {
      const [start, end] = [this.#nameStarts[n] ?? 0, this.#nameEnds[n] ?? 0]
      const wanted = end - start === alone.length ? alone : within
      const from = end - wanted.length
      if (from >= start && this.#bytes.compare(wanted, 0, wanted.length, from, end) === 0)
        found.push(this.#entry(n))
    }
    return found
  }

  *paths(): Generator<BytePath> {
    for (let n = 0; n < this.count; n++) yield this.#path(n)
  }

  /** The same index with other entries; `undefined` takes one out. */
  edited(edits: ReadonlyMap<BytePath, IndexEntry | undefined>): Buffer {
    const changes = [...edits].toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))
    const pieces: Buffer[] = []
    let [done, total] = [0, this.count]
    for (const [path, entry] of changes) {
      const n = this.#seek(path)
      const isThere = n < this.count && this.#path(n) === path
      pieces.push(this.#between(done, n))
      if (entry !== undefined) pieces.push(encodeEntry(entry, this.#format))
      done = isThere ? n + 1 : n
      total += Number(entry !== undefined) - Number(isThere)
    }
    pieces.push(this.#between(done, this.count))
    const header = Buffer.from(this.#bytes.subarray(0, HEADER_BYTES))
    header.writeUInt32BE(total, 8)
    const hash = createHash(this.#format).update(header)
    for (const piece of pieces) hash.update(piece)
    return Buffer.concat([header, ...pieces, hash.digest()])
  }

  #between(from: number, to: number): Buffer {
    return this.#bytes.subarray(this.#starts[from], this.#starts[to])
  }

  #path(n: number): BytePath {
    return this.#bytes.toString('latin1', this.#nameStarts[n], this.#nameEnds[n])
  }

  #entry(n: number): IndexEntry {
    return decodeEntry(this.#bytes, this.#starts[n] ?? 0, oidLength(this.#format))
  }

  /** First entry whose path is not before this one. */
  #seek(path: BytePath): number {
    const wanted = toBytes(path)
    let [low, high] = [0, this.count]
    while (low < high) {
      const middle = (low + high) >>> 1
      const [start, end] = [this.#nameStarts[middle], this.#nameEnds[middle]]
      if (this.#bytes.compare(wanted, 0, wanted.length, start, end) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
