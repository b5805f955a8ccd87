/** The real terminal, files and signals. */
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Config } from '../config.ts'
import { OpenExecError } from '../schema/index.ts'
import type { Io } from './io.ts'
import { openEditor } from './open-editor.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const EXIT_OF = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** The first signal asks for an orderly end, the second one ends the process at once. */
export function openProcessIo(config: Config): { io: Io; close(): Promise<void> } {
  const stop = new AbortController()
  const { stdout, stderr } = process
  let readerIsGone = false
  const onSignal = (signal: (typeof SIGNALS)[number]) => {
    if (!stop.signal.aborted)
      return stop.abort(new OpenExecError('cancelled', `Cancelled by ${signal}`))
    stderr.write('Ended without clean-up: `openexec gc` removes what is left\n')
    process.exit(EXIT_OF[signal])
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  // A reader that goes away (`| head`) ends the run in good order; one of progress lines does not.
  stdout.on('error', () => {
    readerIsGone = !stop.signal.aborted
    stop.abort(new OpenExecError('cancelled', 'Cancelled because nobody reads the output any more'))
  })
  stderr.on('error', () => {})
  const io: Io = {
    cwd: process.cwd(),
    out: (line) => writeLine(stdout, line),
    write: (bytes) => writeTo(stdout, bytes),
    err: (line) => writeLine(stderr, line),
    writeError: (bytes) => writeTo(stderr, bytes),
    stdoutIsTerminal: stdout.isTTY,
    stderrIsTerminal: stderr.isTTY,
    colour: config.colour && !config.ci && stderr.isTTY && stdout.isTTY,
    signal: stop.signal,
    readerIsGone: () => readerIsGone,
    lines: () => createInterface({ input: process.stdin, signal: stop.signal }),
    edit: openEditor,
    readFile: readUserFile,
    writeFile: writeUserFile,
  }
  return {
    io,
    async close() {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      await flushed(stdout)
      await flushed(stderr)
    },
  }
}

type Stream = NodeJS.WriteStream

function isOpen(stream: Stream): boolean {
  return !stream.destroyed && stream.errored === null
}

function writeLine(stream: Stream, line: string): void {
  if (isOpen(stream)) stream.write(`${line}\n`)
}

async function writeTo(stream: Stream, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || !isOpen(stream) || stream.write(bytes)) return
  await new Promise<void>((resolve) => {
    const ends = ['drain', 'error', 'close'] as const
    const settle = () => {
      for (const end of ends) stream.off(end, settle)
      resolve()
    }
    for (const end of ends) stream.on(end, settle)
  })
}

async function flushed(stream: Stream): Promise<void> {
  if (!isOpen(stream) || stream.writableLength === 0) return
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve())
  })
}

/** Reads pipes too (`<(git diff)`), and never more than it has to. */
async function readUserFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes = Buffer.from(chunk)
      chunks.push(bytes)
      size += bytes.length
      if (size > maxBytes) break
    }
  } catch (cause) {
    throw new OpenExecError('bad_request', `Cannot read "${path}": ${whyNot(cause)}`, { cause })
  }
  if (size <= maxBytes) return Buffer.concat(chunks)
  throw new OpenExecError(
    'bad_request',
    `Cannot read "${path}": it is larger than ${maxBytes} bytes`,
  )
}

async function writeUserFile(path: string, content: Uint8Array): Promise<void> {
  try {
    await writeFile(path, content)
  } catch (cause) {
    throw new OpenExecError('bad_request', `Cannot write "${path}": ${whyNot(cause)}`, { cause })
  }
}

const WORDS: Record<string, string> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is no directory',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
}

function whyNot(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  return WORDS[code] ?? code
}
