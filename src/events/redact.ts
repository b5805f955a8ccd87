/**
 * Keeps known secret values out of everything that is stored or shown.
 *
 * A stream is redacted as if it were one piece, however it is cut: what could be the beginning of a
 * secret waits for the next chunk, everything else passes at once. So nothing is delayed that is no
 * prefix of a secret, and what waits is shorter than the longest pattern.
 */
import type { JsonValue } from '../schema/index.ts'
import { type Secret, secretPatterns } from './secret-patterns.ts'

const MARK = Buffer.from('***')

export interface Redactor {
  text(value: string): string
  /** Every string in it, keys too. */
  json<Value extends JsonValue>(value: Value): Value
  /** One for each stream: stdout and stderr never share one. */
  stream(): RedactingStream
}

interface RedactingStream {
  /** What may pass now. */
  write(chunk: Uint8Array): Uint8Array
  /** What has waited. */
  end(): Uint8Array
}

/** Throws `config_invalid` for a secret that is too short or too long to be recognised. */
export function createRedactor(secrets: readonly Secret[]): Redactor {
  const patterns = secretPatterns(secrets)
  const text = (value: string): string => {
    const bytes = Buffer.from(value)
    return findMatches(bytes, patterns).length === 0
      ? value
      : Buffer.from(redactWhole(bytes, patterns)).toString()
  }
  return {
    text,
    // Only strings change, so the shape and with it the type stay.
    json: (value) => (patterns.length === 0 ? value : (redactJson(value, text) as typeof value)),
    stream: () => createRedactingStream(patterns),
  }
}

interface Match {
  start: number
  end: number
}

function createRedactingStream(patterns: readonly Buffer[]): RedactingStream {
  let held: Buffer = Buffer.alloc(0)
  /** Leading bytes of `held` that belong to a match whose mark is written already. */
  let covered = 0
  const take = (bytes: Buffer, until: number): Uint8Array => {
    const marked = covered > 0 ? [{ start: 0, end: covered }] : []
    const matches = mergeOverlapping([...marked, ...findMatches(bytes, patterns)])
    const pieces: Uint8Array[] = []
    let at = 0
    for (const { start, end } of matches) {
      const isMarked = start === 0 && covered > 0
      if (start >= until && !isMarked) break
      pieces.push(bytes.subarray(at, start))
      if (!isMarked) pieces.push(MARK)
      at = end
    }
    if (at < until) pieces.push(bytes.subarray(at, until))
    covered = Math.max(0, at - until)
    held = Buffer.from(bytes.subarray(until))
    return Buffer.concat(pieces)
  }
  return {
    write: (chunk) => {
      if (patterns.length === 0) return chunk
      const bytes = Buffer.concat([held, chunk])
      return take(bytes, bytes.length - possibleStart(bytes, patterns))
    },
    end: () => take(held, held.length),
  }
}

function redactWhole(bytes: Buffer, patterns: readonly Buffer[]): Uint8Array {
  const stream = createRedactingStream(patterns)
  return Buffer.concat([stream.write(bytes), stream.end()])
}

function findMatches(bytes: Buffer, patterns: readonly Buffer[]): Match[] {
  const matches: Match[] = []
  for (const pattern of patterns) {
    let start = bytes.indexOf(pattern)
    while (start !== -1) {
      matches.push({ start, end: start + pattern.length })
      start = bytes.indexOf(pattern, start + 1)
    }
  }
  return matches
}

function mergeOverlapping(matches: readonly Match[]): Match[] {
  const merged: Match[] = []
  for (const match of [...matches].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && match.start < last.end) last.end = Math.max(last.end, match.end)
    else merged.push({ ...match })
  }
  return merged
}

/** Length of the longest end of `bytes` that begins a pattern without completing it. */
function possibleStart(bytes: Buffer, patterns: readonly Buffer[]): number {
  let longest = 0
  for (const pattern of patterns) {
    for (let size = Math.min(pattern.length - 1, bytes.length); size > longest; size--) {
      const start = bytes.length - size
      if (bytes[start] === pattern[0] && bytes.compare(pattern, 0, size, start) === 0)
        longest = size
    }
  }
  return longest
}

function redactJson(value: JsonValue, text: (value: string) => string): JsonValue {
  if (typeof value === 'string') return text(value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((member: JsonValue) => redactJson(member, text))
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [text(key), redactJson(member, text)]),
  )
}
