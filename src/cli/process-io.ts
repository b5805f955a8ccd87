import { readFile, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { Config } from '../config.ts'
import { OpenExecError } from '../schema/index.ts'
import type { Io } from './io.ts'

/** The real terminal, files and signals. The second Ctrl-C ends the process at once. */
export function openProcessIo(config: Config): { io: Io; close(): Promise<void> } {
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    stop.abort(new OpenExecError('cancelled', `Cancelled by ${signal}`))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  // A reader that goes away (`| head`) ends the output, not the run's clean-up.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort())
  const io: Io = {
    cwd: process.cwd(),
    out: (line) => void process.stdout.write(`${line}\n`),
    write: (bytes) => writeTo(process.stdout, bytes),
    err: (line) => void process.stderr.write(`${line}\n`),
    writeError: (bytes) => writeTo(process.stderr, bytes),
    stdoutIsTerminal: process.stdout.isTTY,
    stderrIsTerminal: process.stderr.isTTY,
    colour: config.colour && process.stderr.isTTY && process.stdout.isTTY,
    signal: stop.signal,
    readFile: readUserFile,
    writeFile: (path, content) => writeFile(path, content),
  }
  return {
    io,
    async close() {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
      await flushed(process.stdout)
      await flushed(process.stderr)
    },
  }
}

async function writeTo(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || stream.destroyed) return
  if (stream.write(bytes)) return
  await Promise.race([once(stream, 'drain'), once(stream, 'close')])
}

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve())
  })
}

async function readUserFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new OpenExecError('bad_request', `Cannot read "${path}": ${code}`, { cause: error })
  }
}
