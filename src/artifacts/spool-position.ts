/**
 * How far a spool has come, so that another process can go on with it to the byte. Written over and
 * over in one place after what it tells of: whatever is killed when, the files hold at least as much
 * as the position says, and the same bytes are written again at the same places.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Stream } from './spool-format.ts'

export interface StreamPosition {
  /** Bytes of the command whose trace in the files will not change any more. */
  taken: number
  /** Bytes after secrets were taken out. */
  stored: number
  /** How many of the bytes after `taken` belong to a secret that is replaced already. */
  covered: number
}

export type SpoolPosition = Record<Stream, StreamPosition>

export interface PositionFile {
  write(position: SpoolPosition): void
  close(): Promise<void>
  /** For a spool that has ended. */
  remove(): Promise<void>
}

const START: StreamPosition = { taken: 0, stored: 0, covered: 0 }
/** Of one size, so that writing it anew needs no space and replaces all of it. */
const BYTES = 6 * 8

export function positionPath(outputDir: string, base: string): string {
  return join(outputDir, `${base}.position`)
}

export function openPosition(path: string): PositionFile {
  // Made where it is not there, and never emptied.
  const handle = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const bytes = Buffer.alloc(BYTES)
  let open = true
  const close = () => {
    if (open) closeSync(handle)
    open = false
  }
  return {
    // At once: a few bytes into the cache of the system cost less than a turn of the event loop.
    write: ({ stdout, stderr }) => {
      const numbers = [stdout, stderr].flatMap(({ taken, stored, covered }) => [
        taken,
        stored,
        covered,
      ])
      for (const [index, number] of numbers.entries())
        bytes.writeBigUInt64BE(BigInt(number), index * 8)
      writeSync(handle, bytes, 0, BYTES, 0)
    },
    close: async () => close(),
    remove: async () => {
      close()
      await rm(path, { force: true })
    },
  }
}

/** The beginning where nothing was written yet. */
export function readPosition(path: string): SpoolPosition {
  const bytes = readFileSync(path)
  if (bytes.length < BYTES) return { stdout: START, stderr: START }
  const number = (index: number) => Number(bytes.readBigUInt64BE(index * 8))
  const stream = (at: number) => ({
    taken: number(at),
    stored: number(at + 1),
    covered: number(at + 2),
  })
  return { stdout: stream(0), stderr: stream(3) }
}
