/**
 * Where the output of one command goes: capped files in the run's directory, never the database and
 * never memory. Secrets are taken out before anything is written. A write waits for the disk, so a
 * fast command is slowed down instead of filling memory, and a full disk is a typed failure of the
 * write. Files and order: `spool-format.ts`.
 */
import { readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { OpenExecError } from '../schema/index.ts'
import { type CappedFile, openCappedFile } from './capped-file.ts'
import { translateFileError } from './file-errors.ts'
import { safeName } from './safe-name.ts'
import {
  indexPath,
  leftOutOf,
  parseIndexName,
  type SpoolEnd,
  type SpoolHeader,
  type Stream,
  streamPath,
  STREAMS,
} from './spool-format.ts'
import { createSpoolIndex, openSpoolIndex, type SpoolIndex } from './spool-index.ts'
import {
  openPosition,
  type PositionFile,
  positionPath,
  type StreamPosition,
} from './spool-position.ts'

/** Bytes handed over and not yet on disk; a caller that awaits its writes stays far below. */
const PENDING_BYTES_MAX = 16 * 1024 * 1024
/** Changes of stream whose order is kept to the byte. */
export const EXACT_LINES_MAX = 65_536
/** Bytes of the end that are given as text. */
const TAIL_TEXT_BYTES = 16 * 1024

/** Takes secrets out of a stream; may hold back what could begin one. */
export interface ByteFilter {
  write(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
  /** Bytes it holds back, and how many of their first ones are replaced already. */
  waiting(): { bytes: number; covered: number }
}

export interface SpoolOptions {
  /** The run's `output/` directory. */
  outputDir: string
  /** Names the command to readers; any text. */
  step: string
  /** Bytes of stdout and stderr kept together; each stream has half, of it half from either end. */
  maxBytes: number
  /** One new filter for each stream; with `covered` one that goes on, so many bytes replaced already. */
  newFilter(covered: number): ByteFilter
}

export interface SpooledStream {
  file: string
  /** Bytes after secrets were taken out. */
  bytes: number
  /** Bytes of them in `file`, the mark not counted. */
  kept: number
  truncated: boolean
  /** Of all `bytes`, left out or not. */
  sha256: string
  /** The last bytes as text, at most 16 KiB. */
  tail: string
}

export type SpooledOutput = Record<Stream, SpooledStream>

export interface OutputSpool {
  /**
   * Stores a chunk; settles when no kill of this process can lose it, but for so many bytes of its end
   * that are held back. Throws `state_unusable`, then and ever after.
   */
  write(stream: Stream, chunk: Uint8Array): Promise<number>
  /** Ends the spool and closes its files, also after a failed write, which it throws again. */
  finish(): Promise<SpooledOutput>
}

/** Throws `state_unusable`. */
export async function openSpool(options: SpoolOptions): Promise<OutputSpool> {
  const { outputDir, step, maxBytes, newFilter } = options
  const quarter = Math.max(1, Math.floor(maxBytes / 4))
  const caps = { head: quarter, tail: quarter }
  const opened: { close(): Promise<void> }[] = []
  const remember = <T extends { close(): Promise<void> }>(file: T): T => {
    opened.push(file)
    return file
  }
  try {
    const base = claimBase(outputDir, { v: 1, step, ...caps })
    const indexFile = indexPath(outputDir, base)
    const index = remember(await openSpoolIndex(indexFile, { exactLinesMax: EXACT_LINES_MAX }))
    const position = remember(openPosition(positionPath(outputDir, base)))
    const path = (stream: Stream) => streamPath(outputDir, base, stream)
    const [stdout, stderr] = [
      remember(await openCappedFile(path('stdout'), caps)),
      remember(await openCappedFile(path('stderr'), caps)),
    ]
    const streams = {
      stdout: { path: path('stdout'), file: stdout, filter: newFilter(0), taken: 0, stored: 0 },
      stderr: { path: path('stderr'), file: stderr, filter: newFilter(0), taken: 0, stored: 0 },
    }
    return createSpool({ streams, index, position, step })
  } catch (error) {
    await Promise.allSettled(opened.map((file) => file.close()))
    throw translateFileError(error, `Cannot store the output of "${step}"`)
  }
}

export interface SpoolStream {
  path: string
  file: CappedFile
  filter: ByteFilter
  /** Bytes of the command that were given to the filter, and bytes of it that are in the file. */
  taken: number
  stored: number
}

interface SpoolParts {
  streams: Record<Stream, SpoolStream>
  index: SpoolIndex
  position: PositionFile
  step: string
}

export function createSpool({ streams, index, position, step }: SpoolParts): OutputSpool {
  let queue: Promise<unknown> = Promise.resolve()
  let pending = 0
  let failure: OpenExecError | undefined
  const store = async (stream: Stream, bytes: Uint8Array): Promise<void> => {
    if (failure !== undefined) throw failure
    if (bytes.length === 0) return
    try {
      await streams[stream].file.append(bytes)
      streams[stream].stored += bytes.length
      await index.add(stream, bytes.length)
    } catch (error) {
      failure = translateFileError(error, `Cannot store the output of "${step}"`)
      throw failure
    }
  }
  const write: OutputSpool['write'] = async (stream, chunk) => {
    if (pending + chunk.length > PENDING_BYTES_MAX && pending > 0)
      throw new Error(`Cannot store the output of "${step}": writes must be awaited`)
    pending += chunk.length
    const done = queue.then(async () => {
      const one = streams[stream]
      await store(stream, one.filter.write(chunk))
      one.taken += chunk.length
      position.write({ stdout: placeOf(streams.stdout), stderr: placeOf(streams.stderr) })
      return one.filter.waiting().bytes
    })
    queue = done.catch(() => {})
    return await done.finally(() => (pending -= chunk.length))
  }
  const close = async (): Promise<void> => {
    const files = [streams.stdout.file, streams.stderr.file, index, position]
    await Promise.allSettled(files.map((file) => file.close()))
  }
  return {
    write,
    finish: async () => {
      await queue
      try {
        for (const stream of STREAMS) await store(stream, streams[stream].filter.end())
        const ends = {
          stdout: await streams.stdout.file.finish(),
          stderr: await streams.stderr.file.finish(),
        }
        await index.end(plainEnds(ends))
        await position.remove()
        return {
          stdout: await describeStream(streams.stdout.path, ends.stdout),
          stderr: await describeStream(streams.stderr.path, ends.stderr),
        }
      } catch (error) {
        throw translateFileError(error, `Cannot store the output of "${step}"`)
      } finally {
        await close()
      }
    },
  }
}

function placeOf({ filter, taken, stored }: SpoolStream): StreamPosition {
  const { bytes, covered } = filter.waiting()
  return { taken: taken - bytes, stored, covered }
}

type StreamFinish = Awaited<ReturnType<CappedFile['finish']>>

function plainEnds(ends: Record<Stream, StreamFinish>): SpoolEnd {
  const plain = ({ bytes, head, tail }: StreamFinish) => ({ bytes, head, tail })
  return { stdout: plain(ends.stdout), stderr: plain(ends.stderr) }
}

export async function describeStream(file: string, end: StreamFinish): Promise<SpooledStream> {
  const { bytes, head, tail, sha256 } = end
  const truncated = leftOutOf(end) > 0
  return { file, bytes, kept: head + tail, truncated, sha256, tail: await lastText(file) }
}

async function lastText(file: string): Promise<string> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const length = Math.min(size, TAIL_TEXT_BYTES)
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString()
  } finally {
    await handle.close()
  }
}

/** Takes `<step>-<n>` with the next `n` of the run: one process spools a run, and this does not yield. */
function claimBase(outputDir: string, header: SpoolHeader): string {
  const numbers = readdirSync(outputDir).map((file) => parseIndexName(file)?.n ?? 0)
  const base = `${safeName(header.step, '')}-${Math.max(0, ...numbers) + 1}`
  createSpoolIndex(indexPath(outputDir, base), header)
  return base
}
