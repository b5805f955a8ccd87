/**
 * Secrets of a run, on their way into a request. The sandbox has a placeholder of each; the value is
 * put in here, in the header its binding names, for the hosts it is bound to. A placeholder anywhere
 * else is somebody's attempt to carry the secret there, and the request is refused.
 */
import { type Permission, secretHeader } from '../../policy/index.ts'
import type { SecretBinding } from '../../schema/index.ts'
import { misplaced } from './misplaced.ts'
import type { Refusal } from './way-out.ts'

export interface HeldSecret {
  name: string
  value: string
  /** What stands for it inside; without meaning anywhere else. */
  placeholder: string
}

interface ByteMask {
  /** As many bytes as come out at once may be fewer; all in all they are as many as went in. */
  write(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
}

/** The secrets one run holds, and how they are kept out of what comes back. */
export interface RunCredentials {
  secrets: readonly HeldSecret[]
  /** Replaces values, in the encodings that are known, by as many bytes. One for each stream. */
  mask(): ByteMask
}

export const NO_CREDENTIALS: RunCredentials = {
  secrets: [],
  mask: () => ({ write: (chunk) => chunk, end: () => new Uint8Array() }),
}

/** Name and value, in the order they are sent. */
export type HeaderPairs = readonly (readonly [string, string])[]

export interface Attached {
  headers: HeaderPairs
  /** Names of what was put in. */
  used: string[]
}

interface Asked {
  headers: HeaderPairs
  /** Path and query. */
  target: string
  permission: Permission
  isTls: boolean
  /** What policy binds to the host. */
  bound: readonly SecretBinding[]
}

/** The headers with the secrets in them, or why the request is not sent. */
export function attachSecrets(
  { secrets }: RunCredentials,
  { headers, target, permission, isTls, bound }: Asked,
): { ok: true; value: Attached } | { ok: false; refusal: Refusal } {
  const usable = bound.filter(({ plain_http: plain }) => isTls || plain === true)
  const replaced = new Map<string, SecretBinding>()
  for (const { name } of namedIn(target, secrets))
    return misplaced(permission, { name, bound, usable, where: 'its address' })
  for (const [header, value] of headers)
    for (const { name } of namedIn(value, secrets)) {
      const binding = usable.find((each) => each.name === name)
      const key = header.toLowerCase()
      if (binding === undefined || secretHeader(binding) !== key)
        return misplaced(permission, { name, bound, usable, where: `header ${shown(header)}` })
      replaced.set(key, binding)
    }
  return { ok: true, value: putIn({ headers, usable, replaced }, secrets) }
}

function putIn(
  {
    headers,
    usable,
    replaced,
  }: {
    headers: HeaderPairs
    usable: readonly SecretBinding[]
    replaced: Map<string, SecretBinding>
  },
  secrets: readonly HeldSecret[],
): Attached {
  const present = new Set(headers.map(([name]) => name.toLowerCase()))
  // What a program sends of its own, without the placeholder, is a login of its own.
  const missing = usable.filter((binding) => !present.has(secretHeader(binding)))
  const wanted = [...replaced.values(), ...missing]
  const values = wanted.flatMap((binding): [string, string, string][] => {
    const held = secrets.find(({ name }) => name === binding.name)
    if (held === undefined) return []
    const header = 'header' in binding.as ? binding.as.header : 'Authorization'
    return [[binding.name, header, headerValue(binding, held.value)]]
  })
  const kept = headers.filter(([name]) => !replaced.has(name.toLowerCase()))
  return {
    headers: [...kept, ...values.map(([, header, value]) => [header, value] as const)],
    used: values.map(([name]) => name).sort(),
  }
}

function headerValue({ as }: SecretBinding, value: string): string {
  if ('header' in as) return (as.format ?? '{}').replace('{}', () => value)
  return `Basic ${Buffer.from(`${as.basic.user}:${value}`).toString('base64')}`
}

/** The secrets whose placeholder stands in a text, as it is, with percent signs or as a login. */
function namedIn(text: string, secrets: readonly HeldSecret[]): HeldSecret[] {
  if (secrets.length === 0) return []
  const login = /^\s*basic\s+([A-Za-z0-9+/_=-]{1,16384})\s*$/i.exec(text)?.[1]
  const readings = [
    text,
    text.includes('%')
      ? text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => characterOf(hex))
      : '',
    login === undefined ? '' : Buffer.from(login, 'base64').toString('latin1'),
  ]
  return secrets.filter(({ placeholder }) =>
    readings.some((reading) => reading.includes(placeholder)),
  )
}

function characterOf(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

function shown(header: string): string {
  return header.slice(0, 60)
}
