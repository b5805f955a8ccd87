/**
 * Goes on with the spool of a process that died: from the bytes whose trace is whole, so that not one
 * is lost or doubled in the files, in their order, or for a reader who has followed them all along.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { OpenExecError } from '../schema/index.ts'
import { openCappedFile } from './capped-file.ts'
import { translateFileError } from './file-errors.ts'
import {
  createSpool,
  describeStream,
  EXACT_LINES_MAX,
  type OutputSpool,
  type SpooledOutput,
  type SpoolOptions,
  type SpoolStream,
} from './spool.ts'
import {
  indexPath,
  parseIndexName,
  type SpoolEnd,
  type Stream,
  streamPath,
  STREAMS,
} from './spool-format.ts'
import { openSpoolIndex } from './spool-index.ts'
import { openPosition, positionPath, readPosition } from './spool-position.ts'
import { createSpoolRecords } from './spool-records.ts'

export interface ResumedSpool {
  /** Where the output of the command goes on, in its own bytes; `undefined` when it is whole already. */
  from: Record<Stream, number> | undefined
  spool: OutputSpool
}

/**
 * Finds the spool by the name of its command. One that was finished gives what it was finished with,
 * and takes nothing more. Throws `not_found`, `state_unusable`.
 */
export async function resumeSpool(options: SpoolOptions): Promise<ResumedSpool> {
  const { outputDir, step } = options
  const opened: { close(): Promise<void> }[] = []
  try {
    const base = await findBase(outputDir, step)
    const indexed = await readIndex(outputDir, base)
    if (indexed.end !== undefined) return finished(outputDir, base, indexed.end)
    const position = readPosition(positionPath(outputDir, base))
    const { lines, bytes, caps } = indexed
    const again = {
      stdout: bytes.stdout - position.stdout.stored,
      stderr: bytes.stderr - position.stderr.stored,
    }
    const before = { lines, again }
    const path = indexPath(outputDir, base)
    const index = await openSpoolIndex(path, { exactLinesMax: EXACT_LINES_MAX, before })
    opened.push(index)
    const place = openPosition(positionPath(outputDir, base))
    opened.push(place)
    const streamOf = async (stream: Stream): Promise<SpoolStream> => {
      const { taken, stored, covered } = position[stream]
      const file = await openCappedFile(streamPath(outputDir, base, stream), caps, stored)
      opened.push(file)
      const filter = options.newFilter(covered)
      return { path: streamPath(outputDir, base, stream), file, filter, taken, stored }
    }
    const streams = { stdout: await streamOf('stdout'), stderr: await streamOf('stderr') }
    return {
      from: { stdout: position.stdout.taken, stderr: position.stderr.taken },
      spool: createSpool({ streams, index, position: place, step }),
    }
  } catch (error) {
    await Promise.allSettled(opened.map((file) => file.close()))
    throw translateFileError(error, `Cannot go on storing the output of "${step}"`)
  }
}

async function findBase(outputDir: string, step: string): Promise<string> {
  for (const file of await readdir(outputDir)) {
    const name = parseIndexName(file)
    if (name === undefined) continue
    const [header = ''] = (await readFile(indexPath(outputDir, name.base), 'utf8')).split('\n', 1)
    if (parseStep(header) === step) return name.base
  }
  throw new OpenExecError('not_found', `Cannot find the output of "${step}"`)
}

function parseStep(line: string): unknown {
  try {
    const header: unknown = JSON.parse(line)
    return Reflect.get(Object(header), 'step')
  } catch {
    return undefined
  }
}

interface Indexed {
  caps: { head: number; tail: number }
  lines: number
  bytes: Record<Stream, number>
  end: SpoolEnd | undefined
}

async function readIndex(outputDir: string, base: string): Promise<Indexed> {
  const path = indexPath(outputDir, base)
  await dropTornLine(path)
  const records = createSpoolRecords(path)
  const bytes = { stdout: 0, stderr: 0 }
  let lines = 0
  for await (const record of records.next()) {
    bytes[record.stream] += record.bytes
    lines += 1
  }
  const { header: caps } = records
  if (caps === undefined)
    throw new OpenExecError('state_corrupt', `Cannot read the index of output "${base}"`)
  return { caps, lines, bytes, end: records.end }
}

/** A line whose end was not written tells nothing, and must not run into the next. */
async function dropTornLine(path: string): Promise<void> {
  const text = await readFile(path)
  const whole = text.lastIndexOf(0x0a) + 1
  if (whole === text.length) return
  const file = await open(path, 'r+')
  try {
    await file.truncate(whole)
  } finally {
    await file.close()
  }
}

async function finished(outputDir: string, base: string, end: SpoolEnd): Promise<ResumedSpool> {
  const output: Partial<SpooledOutput> = {}
  for (const stream of STREAMS) {
    const path = streamPath(outputDir, base, stream)
    const sha256 = await hashOf(path)
    output[stream] = await describeStream(path, { ...end[stream], sha256 })
  }
  const { stdout, stderr } = output
  if (stdout === undefined || stderr === undefined) throw new Error('Cannot read a spool')
  return {
    from: undefined,
    spool: { write: async () => 0, finish: async () => ({ stdout, stderr }) },
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}
