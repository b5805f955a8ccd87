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

/** Bytes handed over and not yet on disk; a caller that awaits its writes stays far below. */
const PENDING_BYTES_MAX = 16 * 1024 * 1024
/** Changes of stream whose order is kept to the byte. */
const EXACT_LINES_MAX = 65_536
/** Bytes of the end that are given as text. */
const TAIL_TEXT_BYTES = 16 * 1024

/** Takes secrets out of a stream; may hold back what could begin one. */
export interface ByteFilter {
  write(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
}

interface SpoolOptions {
  /** The run's `output/` directory. */
  outputDir: string
  /** Names the command to readers; any text. */
  step: string
  /** Bytes of stdout and stderr kept together; each stream has half, of it half from either end. */
  maxBytes: number
  /** One new filter for each stream. */
  newFilter(): ByteFilter
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

interface OutputSpool {
  /** Stores a chunk; settles when it is on disk. Throws `state_unusable`, then and ever after. */
  write(stream: Stream, chunk: Uint8Array): Promise<void>
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
    const path = (stream: Stream) => streamPath(outputDir, base, stream)
    const [stdout, stderr] = [
      remember(await openCappedFile(path('stdout'), caps)),
      remember(await openCappedFile(path('stderr'), caps)),
    ]
    const streams = {
      stdout: { path: path('stdout'), file: stdout, filter: newFilter() },
      stderr: { path: path('stderr'), file: stderr, filter: newFilter() },
    }
    return createSpool(streams, index, step)
  } catch (error) {
    await Promise.allSettled(opened.map((file) => file.close()))
    throw translateFileError(error, `Cannot store the output of "${step}"`)
  }
}

interface SpoolStream {
  path: string
  file: CappedFile
  filter: ByteFilter
}

function createSpool(
  streams: Record<Stream, SpoolStream>,
  index: SpoolIndex,
  step: string,
): OutputSpool {
  let queue: Promise<unknown> = Promise.resolve()
  let pending = 0
  let failure: OpenExecError | undefined
  const store = async (stream: Stream, bytes: Uint8Array): Promise<void> => {
    if (failure !== undefined) throw failure
    if (bytes.length === 0) return
    try {
      await streams[stream].file.append(bytes)
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
    const done = queue.then(() => store(stream, streams[stream].filter.write(chunk)))
    queue = done.catch(() => {})
    await done.finally(() => (pending -= chunk.length))
  }
  const close = async (): Promise<void> => {
    const files = [streams.stdout.file, streams.stderr.file, index]
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
        return {
          stdout: await describe(streams.stdout.path, ends.stdout),
          stderr: await describe(streams.stderr.path, ends.stderr),
        }
      } catch (error) {
        throw translateFileError(error, `Cannot store the output of "${step}"`)
      } finally {
        await close()
      }
    },
  }
}

type StreamFinish = Awaited<ReturnType<CappedFile['finish']>>

function plainEnds(ends: Record<Stream, StreamFinish>): SpoolEnd {
  const plain = ({ bytes, head, tail }: StreamFinish) => ({ bytes, head, tail })
  return { stdout: plain(ends.stdout), stderr: plain(ends.stderr) }
}

async function describe(file: string, end: StreamFinish): Promise<SpooledStream> {
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
