import { OpenExecError } from '../schema/index.ts'

/** Levels of nesting of any request. */
const DEPTH_MAX = 32
const PROTOTYPE_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

/** Throws `bad_request` for nesting without sense and for keys that mean an object's prototype. */
export function refuseHostileJson(value: unknown): void {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 1 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.value === null || typeof next.value !== 'object') continue
    if (next.depth > DEPTH_MAX)
      throw new OpenExecError(
        'bad_request',
        `Cannot read the body: deeper than ${DEPTH_MAX} levels`,
      )
    for (const [key, member] of Object.entries(next.value)) {
      if (PROTOTYPE_KEYS.has(key))
        throw new OpenExecError('bad_request', `Cannot read the body: a key is "${key}"`, {
          details: { field: key },
        })
      open.push({ value: member, depth: next.depth + 1 })
    }
  }
}
