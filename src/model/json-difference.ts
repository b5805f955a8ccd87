/** How two JSON values differ, by path, for a person. */
import type { JsonValue } from '../schema/index.ts'

const SHOWN_MAX = 5
const VALUE_CHARS_MAX = 160

export interface Difference {
  /** Places that differ. */
  count: number
  text: string
}

export function showDifference(before: JsonValue, after: JsonValue): Difference {
  const found: string[] = []
  let count = 0
  for (const { path, was, is } of differences(before, after, '')) {
    count += 1
    if (found.length < SHOWN_MAX) found.push(lineOf(path, was, is))
  }
  const more = count > found.length ? [`  and ${count - found.length} more`] : []
  return { count, text: [...found, ...more].join('\n') }
}

interface Place {
  path: string
  was: JsonValue | undefined
  is: JsonValue | undefined
}

function* differences(
  was: JsonValue | undefined,
  is: JsonValue | undefined,
  path: string,
): Generator<Place> {
  if (was === is) return
  if (!isObject(was) || !isObject(is) || Array.isArray(was) !== Array.isArray(is))
    return yield { path, was, is }
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)]))
    yield* differences(member(was, name), member(is, name), path === '' ? name : `${path}.${name}`)
}

function isObject(value: JsonValue | undefined): value is Extract<JsonValue, object> {
  return value !== null && typeof value === 'object'
}

function member(value: Extract<JsonValue, object>, name: string): JsonValue | undefined {
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

/** Two texts from where they part, so that a long prompt shows what changed in it. */
function lineOf(path: string, was: JsonValue | undefined, is: JsonValue | undefined): string {
  const [a, b] = [textOf(was), textOf(is)]
  let same = 0
  while (same < a.length && same < b.length && a[same] === b[same]) same += 1
  const from = Math.max(0, same - 20)
  const cut = (text: string) =>
    `${from > 0 ? '…' : ''}${text.slice(from, from + VALUE_CHARS_MAX)}${text.length > from + VALUE_CHARS_MAX ? '…' : ''}`
  return `  ${path}: recorded ${cut(a)}, sent ${cut(b)}`
}

function textOf(value: JsonValue | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}
