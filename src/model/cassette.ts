/**
 * Recorded exchanges with a model server. `record` writes what a real server answered, `replay`
 * answers from there and never reaches a network, `passthrough` does neither. Equal requests are
 * answered in the order they were recorded; one that was not recorded is a hard failure that shows
 * how the nearest one differs.
 *
 * Requests are compared by method, path and body. What changes from run to run although nothing did
 * (durations, dates, ids, hashes of outputs) is left out of the comparison. No header of a request
 * is written, and no text that looks like a secret.
 */
import { appendFile, open, readFile } from 'node:fs/promises'
import { z } from 'zod'
import {
  type CassetteMode,
  canonicalJson,
  hashJson,
  JsonValue,
  OpenExecError,
} from '../schema/index.ts'
import { ExchangeError } from './http-failure.ts'
import { showDifference } from './json-difference.ts'
import { redactLines } from './redact.ts'

const HEAD = { openexec_cassette: 1 }
const FILE_BYTES_MAX = 256 * 1024 * 1024
/** The only headers of an answer that mean anything to an adapter. */
const HEADERS = ['content-type', 'retry-after', 'retry-after-ms', 'x-should-retry']

const Entry = z.strictObject({
  key: z.string(),
  request: z.strictObject({ method: z.string(), path: z.string(), body: JsonValue }),
  status: z.number().int(),
  headers: z.record(z.string(), z.string()),
  /** Bytes as they came, as text. */
  body: z.string(),
})
type Entry = z.infer<typeof Entry>

export interface CassetteOptions {
  file: string
  mode: CassetteMode
  fetch: typeof fetch
  /** Texts that are never written, whatever they look like. */
  secrets: readonly string[]
}

/** Throws `config_invalid` for a cassette that is missing, broken, or there already. */
export async function openCassette(options: CassetteOptions): Promise<typeof fetch> {
  const { file, mode, fetch: send } = options
  if (mode === 'passthrough') return send
  if (mode === 'record') {
    await beginFile(file)
    return (input, init) => record(options, input, init)
  }
  const entries = await readEntries(file)
  const left = [...entries]
  return async (input, init) => {
    const request = requestOf(input, init)
    const key = keyOf(request)
    const index = left.findIndex((entry) => entry.key === key)
    const [entry] = index === -1 ? [] : left.splice(index, 1)
    if (entry === undefined) throw missed(file, request, { entries, left })
    return new Response(entry.body, { status: entry.status, headers: entry.headers })
  }
}

type Request = Entry['request']

function requestOf(input: Parameters<typeof fetch>[0], init?: RequestInit): Request {
  const url = new URL(input instanceof Request ? input.url : String(input))
  const text = typeof init?.body === 'string' ? init.body : 'null'
  const body: unknown = JSON.parse(text)
  return { method: init?.method ?? 'GET', path: url.pathname, body: JsonValue.parse(body) }
}

/** Lower-case hex sha256 of what makes two requests the same. */
export function keyOf({ method, path, body }: Request): string {
  return hashJson({ method, path, body: stable(body) })
}

/** Bounded, so that no text takes long. */
const VOLATILE: readonly [pattern: RegExp, stands: string][] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?/g, '<date>'],
  [/\b(?:run|step|call|art|appr|sbx|task|ses)_[0-9a-z]{16}\b/g, '<id>'],
  [/\b[0-9a-f]{64}\b/g, '<sha256>'],
  [/\b\d{1,12}(?:\.\d{1,12})?\s?(?:ms|µs|ns|s|seconds?|minutes?)\b/g, '<duration>'],
  [/(\bduration_ms:? )\d{1,12}(?:\.\d{1,12})?/g, '$1<duration>'],
]

function stable(value: JsonValue): JsonValue {
  if (typeof value === 'string')
    return VOLATILE.reduce((text, [pattern, stands]) => text.replaceAll(pattern, stands), value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(stable)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, stable(each)]))
}

async function record(
  { file, fetch: send, secrets }: CassetteOptions,
  input: Parameters<typeof fetch>[0],
  init?: RequestInit,
): Promise<Response> {
  const request = requestOf(input, init)
  const answer = await send(input, init)
  const kept = HEADERS.flatMap((name) => {
    const value = answer.headers.get(name)
    return value === null ? [] : [[name, value] as const]
  })
  const { status } = answer
  const headers = Object.fromEntries(kept)
  // Read to its end before anybody sees it: a reader stops at the last event, and half an answer
  // would be replayed as a broken one.
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const body = clean(Buffer.from(bytes).toString(), secrets)
  const shown = { ...request, body: cleanJson(request.body, secrets) }
  const entry: Entry = { key: keyOf(request), request: shown, status, headers, body }
  await appendFile(file, `${canonicalJson(entry)}\n`)
  return new Response(bytes, { status, headers: answer.headers })
}

function clean(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length >= 8)
  const without = known.reduce((rest, secret) => rest.replaceAll(secret, '«secret»'), text)
  return redactLines(without.split('\n')).lines.join('\n')
}

function cleanJson(value: JsonValue, secrets: readonly string[]): JsonValue {
  if (typeof value === 'string') return clean(value, secrets)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((each) => cleanJson(each, secrets))
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, cleanJson(each, secrets)]),
  )
}

async function beginFile(file: string): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600)
    await handle.writeFile(`${JSON.stringify(HEAD)}\n`)
    await handle.close()
  } catch (cause) {
    throw unusable(file, 'it cannot be made new', cause)
  }
}

async function readEntries(file: string): Promise<Entry[]> {
  let text
  try {
    const bytes = await readFile(file)
    if (bytes.length > FILE_BYTES_MAX) throw new RangeError(`It has ${bytes.length} bytes`)
    text = bytes.toString()
  } catch (cause) {
    throw unusable(file, 'it cannot be read', cause)
  }
  const [head, ...lines] = text.split('\n')
  if (head !== JSON.stringify(HEAD)) throw unusable(file, 'it is no cassette', undefined)
  return lines
    .filter((line) => line !== '')
    .map((line, index) => {
      try {
        return Entry.parse(JSON.parse(line))
      } catch (cause) {
        throw unusable(file, `line ${index + 2} is broken`, cause)
      }
    })
}

function unusable(file: string, why: string, cause: unknown): OpenExecError {
  return new OpenExecError('config_invalid', `Cannot use cassette "${file}": ${why}`, {
    hint: 'Record one with --cassette FILE --cassette-mode record, where FILE does not exist yet',
    cause,
  })
}

function missed(
  file: string,
  request: Request,
  { entries, left }: { entries: readonly Entry[]; left: readonly Entry[] },
): ExchangeError {
  const nearest = (left.length > 0 ? left : entries)
    .map((entry) => showDifference(stable(entry.request.body), stable(request.body)))
    .sort((a, b) => a.count - b.count)[0]
  const used = `${entries.length - left.length} of ${entries.length} answers are used up`
  const shown =
    nearest === undefined ? 'It holds none' : `The nearest one differs:\n${nearest.text}`
  return new ExchangeError(
    'cassette_miss',
    `Cassette "${file}" has no answer to ${request.method} ${request.path}; ${used}. ${shown}`,
  )
}
