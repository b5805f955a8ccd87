/**
 * From a wish to an open connection: decide, resolve once, classify every answer, dial the very
 * address that was checked. The name is never resolved again, so a resolver that changes its answer
 * changes nothing.
 */
import { isIP, type Socket } from 'node:net'
import {
  type AddressClass,
  decideNetwork,
  namesAddress,
  type NetworkList,
  type Permission,
} from '../../policy/index.ts'
import type { BulkReader } from './bulk-reader.ts'
import type { EgressLimits } from './limits.ts'

export interface WayOutDeps {
  /** All addresses of a name, by a resolver outside of the sandbox. */
  resolve(name: string, signal: AbortSignal): Promise<readonly string[]>
  /** Connects to exactly this address. What comes is read by `reader` where that is attached. */
  dial(address: string, port: number, signal: AbortSignal, reader?: BulkReader): Promise<Socket>
  classify(address: string): AddressClass
  /** PEM of the authorities that certificates of hosts must come from. */
  roots(): readonly string[]
  limits: EgressLimits
}

/** Why there is no connection. */
export interface Refusal {
  outcome: 'denied' | 'failed'
  /** HTTP status it is told by. */
  status: 403 | 421 | 429 | 431 | 502 | 504
  host: string
  port: number
  rule: string
  reason: string
  remedy: string
}

export interface WayOut {
  permission: Permission
  /** Checked, in the order in which they are tried. */
  addresses: readonly string[]
}

export type Found<T> = { ok: true; value: T } | { ok: false; refusal: Refusal }

/** Never rejects but on abort. */
export async function findWayOut(
  deps: WayOutDeps,
  { list, host, port }: { list: NetworkList; host: string; port: number },
  signal: AbortSignal,
): Promise<Found<WayOut>> {
  const permission = decideNetwork(list, { host, port })
  if (!permission.allow) {
    const { host: shown, rule, reason, remedy } = permission
    const told = { host: shown, port, rule, reason, remedy }
    return no({ ...told, outcome: 'denied', status: 403 })
  }
  return await findAddresses(deps, permission, signal)
}

/** The same for what is permitted already. */
export async function findAddresses(
  deps: WayOutDeps,
  permission: Permission,
  signal: AbortSignal,
): Promise<Found<WayOut>> {
  const answers = await answersFor(deps, permission, signal)
  if (!answers.ok) return answers
  const addresses = answers.value.filter((address) => mayReach(deps, permission, address))
  if (addresses.length > 0)
    return {
      ok: true,
      value: { permission, addresses: addresses.slice(0, deps.limits.addressesMax) },
    }
  return no(wrongAddresses(deps, permission, answers.value))
}

/** The first of the addresses that answers. */
export async function dialWayOut(
  deps: WayOutDeps,
  { permission, addresses }: WayOut,
  signal: AbortSignal,
  reader?: BulkReader,
): Promise<Found<Socket>> {
  const about = aboutOf(permission)
  let why = ''
  const [first] = addresses
  // With a single address there is no other to try: one that broke off while connecting gets two.
  const tried = addresses.length === 1 && first !== undefined ? [first, first] : addresses
  for (const address of tried) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(deps.limits.dialMs)])
    try {
      return { ok: true, value: await deps.dial(address, permission.port, limit, reader) }
    } catch (error) {
      signal.throwIfAborted()
      why = limit.aborted ? 'it did not answer in time' : codeOf(error)
      if (addresses.length === 1 && !BROKEN_OFF.includes(why)) break
    }
  }
  const reason = `Permitted, but it cannot be connected to: ${why}`
  return no({ ...about, outcome: 'failed', status: 502, reason, remedy: '' })
}

/** A connection that was not refused, and may well come about a moment later. */
const BROKEN_OFF: readonly string[] = ['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'EAGAIN']

async function answersFor(
  deps: WayOutDeps,
  permission: Permission,
  signal: AbortSignal,
): Promise<Found<readonly string[]>> {
  const { host } = permission.host
  if (permission.host.kind === 'ip') return { ok: true, value: [host] }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(deps.limits.resolveMs)])
  try {
    const answers = await deps.resolve(host, limit)
    return { ok: true, value: answers.filter((answer) => isIP(answer) !== 0) }
  } catch (error) {
    signal.throwIfAborted()
    const why = limit.aborted ? 'no answer in time' : codeOf(error)
    const reason = `Permitted, but its name cannot be resolved: ${why}`
    const status = limit.aborted ? 504 : 502
    return no({ ...aboutOf(permission), outcome: 'failed', status, reason, remedy: '' })
  }
}

function mayReach({ classify }: WayOutDeps, permission: Permission, address: string): boolean {
  const { kind } = classify(address)
  return kind === 'global' || (kind === 'nameable' && namesAddress(permission, address))
}

function wrongAddresses(
  { classify }: WayOutDeps,
  permission: Permission,
  answers: readonly string[],
): Refusal {
  const about = aboutOf(permission)
  const [first] = answers
  if (first === undefined) {
    const reason = 'Permitted, but its name has no address'
    return { ...about, outcome: 'failed', status: 502, reason, remedy: '' }
  }
  const verdict = classify(first)
  const range = verdict.kind === 'global' ? 'global' : verdict.range
  const isNameable = answers.some((answer) => classify(answer).kind === 'nameable')
  const named = JSON.stringify(permission.host.host)
  return {
    ...about,
    outcome: 'denied',
    status: 403,
    rule: 'builtin:address',
    reason: `Its address ${first} is not for everybody (${range})`,
    remedy: isNameable
      ? `If it is meant, write in network.allow: { host: ${named}, addresses: ["${first}"] }`
      : '',
  }
}

function aboutOf({ host, port, rule }: Permission) {
  return { host: host.host, port, rule }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.name : 'unknown error'
}

function no<T>(refusal: Refusal): Found<T> {
  return { ok: false, refusal }
}
