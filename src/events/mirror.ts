/**
 * `runs/<run>/timeline.jsonl`: a copy of the timeline for people and tools, one canonical event a
 * line. It is derived: written after the commit, never read back as truth, and made again whole when
 * it is missing or does not fit.
 *
 * Several processes may append to one run, so a writer never writes what it has in hand. It holds
 * the database's write lock, looks how far the file goes, and copies what the table has beyond that.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { canonicalJson, type Event, type RunId } from '../schema/index.ts'
import { readEvents, type State } from '../state/index.ts'

const BATCH_SIZE = 200
/** Above the longest line: payload and volatile part at their caps, and the rest of an event. */
const TAIL_BYTES = 256 * 1024

export interface MirrorOptions {
  state: State
  /** The directory that holds one directory for each run. */
  runsDir: string
}

/** Brings the file up to the table. Throws what the file system says. */
export function updateMirror({ state, runsDir }: MirrorOptions, runId: RunId): void {
  const file = mirrorPath(runsDir, runId)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  state.transact(() => {
    const fd = openSync(file, 'a+', 0o600)
    let end
    try {
      end = endOf(fd)
      if (end !== undefined) {
        ftruncateSync(fd, end.bytes)
        copyEvents(state, runId, { fd, after: end.seq })
      }
    } finally {
      closeSync(fd)
    }
    if (end === undefined) replace(state, runId, file)
  })
}

/** Writes the whole file again, whatever is there. */
export function rebuildMirror({ state, runsDir }: MirrorOptions, runId: RunId): void {
  const file = mirrorPath(runsDir, runId)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  state.transact(() => replace(state, runId, file))
}

export function mirrorPath(runsDir: string, runId: RunId): string {
  return join(runsDir, runId, 'timeline.jsonl')
}

function replace(state: State, runId: RunId, file: string): void {
  const fresh = `${file}.new`
  const fd = openSync(fresh, 'w', 0o600)
  try {
    copyEvents(state, runId, { fd, after: 0 })
  } finally {
    closeSync(fd)
  }
  renameSync(fresh, file)
}

function copyEvents(
  state: State,
  runId: RunId,
  { fd, after }: { fd: number; after: number },
): void {
  let cursor = after
  for (;;) {
    const batch: Event[] = readEvents(state.db, runId, { after: cursor, limit: BATCH_SIZE })
    const last = batch.at(-1)
    if (last === undefined) return
    writeWhole(fd, Buffer.from(batch.map((event) => `${canonicalJson(event)}\n`).join('')))
    cursor = last.seq
  }
}

function writeWhole(fd: number, bytes: Buffer): void {
  let written = 0
  while (written < bytes.length) written += writeSync(fd, bytes, written)
}

/** The last whole line: its `seq` and where it ends; undefined when the file is not one of ours. */
function endOf(fd: number): { seq: number; bytes: number } | undefined {
  const { size } = fstatSync(fd)
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES))
  const read = readSync(fd, tail, 0, tail.length, size - tail.length)
  if (read !== tail.length) return undefined
  const lineEnd = tail.lastIndexOf(0x0a)
  if (lineEnd === -1) return size < TAIL_BYTES ? { seq: 0, bytes: 0 } : undefined
  const lineStart = lineEnd === 0 ? 0 : tail.lastIndexOf(0x0a, lineEnd - 1) + 1
  const seq = seqOf(tail.subarray(lineStart, lineEnd).toString())
  return seq === undefined ? undefined : { seq, bytes: size - tail.length + lineEnd + 1 }
}

function seqOf(line: string): number | undefined {
  try {
    const event: unknown = JSON.parse(line)
    if (event === null || typeof event !== 'object' || !('seq' in event)) return undefined
    return typeof event.seq === 'number' ? event.seq : undefined
  } catch {
    return undefined
  }
}
