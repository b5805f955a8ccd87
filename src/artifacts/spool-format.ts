/**
 * How the output of a command lies in `runs/<run>/output/`, for the writer and for readers in any
 * process:
 *
 *   <step>-<n>.index             one header line of JSON; then, in order of arrival, `o <bytes>` or
 *                                `e <bytes>`; at last one line of JSON with how it ended
 *   <step>-<n>.stdout, .stderr   the first `head` bytes of the stream; once it ended and bytes were
 *                                left out, a mark that says how many, and the last `tail` bytes
 *   <step>-<n>.stdout.<start>    while it grows: bytes from offset `start` on, `tail` of them at
 *                                most; only the newest two are kept
 *
 * Offsets always count what the command wrote, kept or not. `n` orders the commands of a run.
 */
import { join } from 'node:path'

export const STREAMS = ['stdout', 'stderr'] as const
export type Stream = (typeof STREAMS)[number]

export interface SpoolHeader {
  v: 1
  /** As the caller named the command. */
  step: string
  /** Bytes kept from the start and from the end of each stream. */
  head: number
  tail: number
}

/** How much of a stream there was, and how much of it is kept at its start and its end. */
export interface StreamEnd {
  bytes: number
  head: number
  tail: number
}

export type SpoolEnd = Record<Stream, StreamEnd>

export interface SpoolName {
  base: string
  n: number
}

const INDEX_NAME = /^(.+-(\d{1,9}))\.index$/

export function parseIndexName(file: string): SpoolName | undefined {
  const [, base, digits] = INDEX_NAME.exec(file) ?? []
  return base === undefined ? undefined : { base, n: Number(digits) }
}

export function indexPath(outputDir: string, base: string): string {
  return join(outputDir, `${base}.index`)
}

export function streamPath(outputDir: string, base: string, stream: Stream): string {
  return join(outputDir, `${base}.${stream}`)
}

/** What stands where bytes are left out. */
export function cutMark(leftOut: number): Buffer {
  return Buffer.from(leftOut === 0 ? '' : `\n… ${leftOut} bytes left out …\n`)
}

export function leftOutOf({ bytes, head, tail }: StreamEnd): number {
  return bytes - head - tail
}
