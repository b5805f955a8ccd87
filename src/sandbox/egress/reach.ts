/**
 * A connection of the orchestrator's own to a place that somebody else named, by the way that
 * connections of sandboxes take: the name is resolved once, every answer is classified, and the very
 * address that was checked is dialled.
 */
import type { Socket } from 'node:net'
import { canonicalHost } from '../../policy/index.ts'
import { OpenExecError } from '../../schema/index.ts'
import type { Internet } from './gateway.ts'
import { EGRESS_LIMITS } from './limits.ts'
import { dialWayOut, findAddresses } from './way-out.ts'

export interface Place {
  host: string
  port: number
  /** Whether addresses that a policy may name are meant too; never the machine itself. */
  mayBePrivate: boolean
}

/**
 * Throws `policy_denied` where no address may be reached, without saying which there are: names of
 * the inside are nothing to whoever chose the place. Throws `server_unreachable` where none answers.
 */
export async function reach(
  internet: Internet,
  { host: text, port, mayBePrivate }: Place,
  signal: AbortSignal,
): Promise<Socket> {
  const host = canonicalHost(text)
  if (host === undefined) throw noAddress()
  const deps = {
    ...internet,
    limits: EGRESS_LIMITS,
    classify: (address: string) => {
      const found = internet.classify(address)
      if (found.kind !== 'nameable') return found
      return mayBePrivate
        ? ({ kind: 'global' } as const)
        : ({ ...found, kind: 'forbidden' } as const)
    },
  }
  const permission = {
    allow: true,
    host,
    port,
    rule: 'named by a user',
    addresses: [],
    tls: 'checked',
    requests: 'all',
  } as const
  const found = await findAddresses(deps, permission, signal)
  if (!found.ok) throw noAddress()
  const dialled = await dialWayOut(deps, found.value, signal)
  if (dialled.ok) return dialled.value
  throw new OpenExecError('server_unreachable', `Cannot connect: ${dialled.refusal.reason}`)
}

function noAddress(): OpenExecError {
  return new OpenExecError('policy_denied', 'Cannot connect: the host has no permitted address')
}
