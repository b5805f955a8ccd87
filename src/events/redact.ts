/**
 * Keeps known secret values out of everything that is stored or shown.
 *
 * A stream is redacted as if it were one piece, however it is cut: what could be the beginning of a
 * secret waits for the next chunk, everything else passes at once. So nothing is delayed that is no
 * prefix of a secret, and what waits is shorter than the longest pattern.
 */
import type { JsonValue } from '../schema/index.ts'
import { createSearch, type Match, type PatternSearch } from './pattern-search.ts'
import { type Secret, secretPatterns } from './secret-patterns.ts'

const MARK = Buffer.from('***')

export interface Redactor {
  text(value: string): string
  /** Whole content; the very same bytes where nothing is found. */
  bytes(content: Uint8Array): Uint8Array
  /** Every string in it, keys too. */
  json<Value extends JsonValue>(value: Value): Value
  /**
   * One for each stream: stdout and stderr never share one. With `covered` it goes on where another
   * one stopped: so many of the first bytes are replaced already.
   */
  stream(covered?: number): RedactingStream
  /** The same with as many bytes as before, for content whose length is already told. */
  mask(): RedactingStream
}

interface RedactingStream {
  /** What may pass now. */
  write(chunk: Uint8Array): Uint8Array
  /** What has waited. */
  end(): Uint8Array
  /** How many bytes wait, and how many of their first ones are replaced already. */
  waiting(): { bytes: number; covered: number }
}

/** Throws `config_invalid` for a secret that is too short or too long to be recognised. */
export function createRedactor(secrets: readonly Secret[]): Redactor {
  const search = createSearch(secretPatterns(secrets))
  const stream = (covered = 0) =>
    createRedactingStream(search, { mark: () => MARK, more: () => NOTHING }, covered)
  const bytes = (content: Uint8Array): Uint8Array => {
    if (search.find(asBuffer(content)).length === 0) return content
    const whole = stream()
    return Buffer.concat([whole.write(content), whole.end()])
  }
  const text = (value: string): string => {
    const before = Buffer.from(value)
    const after = bytes(before)
    return after === before ? value : asBuffer(after).toString()
  }
  return {
    text,
    bytes,
    // Only strings change, so the shape and with it the type stay.
    json: (value) => (secrets.length === 0 ? value : (redactJson(value, text) as typeof value)),
    stream,
    mask: () => createRedactingStream(search, { mark: stars, more: stars }, 0),
  }
}

const NOTHING = Buffer.alloc(0)

function stars(length: number): Buffer {
  return Buffer.alloc(length, '*')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface Replacement {
  /** What stands for a match of that many bytes. */
  mark(length: number): Buffer
  /** What stands for bytes by which a match turns out longer, once it is marked. */
  more(length: number): Buffer
}

function createRedactingStream(
  search: PatternSearch,
  { mark, more }: Replacement,
  coveredBefore: number,
): RedactingStream {
  let held: Buffer = NOTHING
  /** Leading bytes of `held` that belong to a match whose mark is written already. */
  let covered = coveredBefore
  const take = (bytes: Buffer, until: number): Uint8Array => {
    const marked = covered > 0 ? [{ start: 0, end: covered }] : []
    const matches = mergeOverlapping([...marked, ...search.find(bytes)])
    const pieces: Uint8Array[] = []
    let at = 0
    for (const { start, end } of matches) {
      const isMarked = start === 0 && covered > 0
      if (start >= until && !isMarked) break
      pieces.push(bytes.subarray(at, start))
      pieces.push(isMarked ? more(end - covered) : mark(end - start))
      at = end
    }
    if (at < until) pieces.push(bytes.subarray(at, until))
    covered = Math.max(0, at - until)
    held = bytes.subarray(until)
    // Held bytes are few, and must not keep a whole chunk alive.
    if (held.length > 0) held = Buffer.from(held)
    const [only = NOTHING] = pieces
    return pieces.length <= 1 ? only : Buffer.concat(pieces)
  }
  return {
    write: (chunk) => {
      const bytes = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk])
      return take(bytes, bytes.length - search.possibleStart(bytes))
    },
    end: () => take(held, held.length),
    waiting: () => ({ bytes: held.length, covered }),
  }
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

function redactJson(value: JsonValue, text: (value: string) => string): JsonValue {
  if (typeof value === 'string') return text(value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((member: JsonValue) => redactJson(member, text))
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [text(key), redactJson(member, text)]),
  )
}
