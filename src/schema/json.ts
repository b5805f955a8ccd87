import { createHash } from 'node:crypto'
import { z } from 'zod'

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }
export type JsonObject = { readonly [key: string]: JsonValue }

// zod's own json() type is recursive in the same way; named here so that both sides agree.
export const JsonValue = z.json() as unknown as z.ZodType<JsonValue>
export const JsonObject = z.record(z.string(), JsonValue) as unknown as z.ZodType<JsonObject>

/** Levels of nesting; deeper values are hostile, and recursion ends in a stack overflow. */
const DEPTH_MAX = 500

/**
 * Canonical JSON after RFC 8785: keys sorted by code unit, no white space, `undefined` members left
 * out. Throws a `TypeError` on numbers that JSON cannot carry exactly, on cycles and values nested
 * too deep, and on anything not JSON (also objects that are more than their members, such as a
 * `Date`, a `Map` or bytes, of which two different ones would get the same text).
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0)
}

/** Lower-case hex sha256 of a value's canonical JSON. */
export function hashJson(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

function write(value: unknown, depth: number): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string')
    return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER)
      throw new TypeError(`Cannot write ${value} as canonical JSON: it is not an exact number`)
    return JSON.stringify(value)
  }
  if (depth > DEPTH_MAX)
    throw new TypeError(`Cannot write a value nested deeper than ${DEPTH_MAX} as canonical JSON`)
  // Array.from turns holes into undefined, which is refused like any other.
  if (Array.isArray(value))
    return `[${Array.from(value, (item) => write(item, depth + 1)).join(',')}]`
  if (typeof value === 'object' && isPlain(value)) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${write(member, depth + 1)}`)
    return `{${members.join(',')}}`
  }
  const name = typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
  throw new TypeError(`Cannot write a ${name} as canonical JSON`)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
