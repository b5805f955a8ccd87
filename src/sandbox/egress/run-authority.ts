/**
 * The authority of one run, by which the gateway stands in for hosts whose requests must be seen. It
 * can sign for those hosts alone, is made anew for each run, and its key never leaves this process.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import { createAuthority } from './certificate-authority.ts'

export interface RunAuthority {
  /** PEM; what the sandbox of the run trusts besides its own roots. */
  certificate: string
  /** What to show to a client that asks for `host`. */
  contextFor(host: string): SecureContext
}

export interface RunAuthorityOptions {
  /** Host names, each standing for what is below it too; never empty. */
  names: readonly string[]
  /** Epoch `ms` */
  now(): number
  /** How long the run may take at most. */
  validMs: number
}

const LEAF_MS = 24 * 3_600_000
/** A certificate is made anew when it is older; programs hold connections open meanwhile. */
const LEAF_REUSED_MS = 12 * 3_600_000
/** Beyond the time of the run: a process that goes on with it makes an authority of its own. */
const GRACE_MS = 24 * 3_600_000
const HOSTS_MAX = 1_000

export function createRunAuthority({ names, now, validMs }: RunAuthorityOptions): RunAuthority {
  const authority = createAuthority('OpenExec run', {
    now: now(),
    validMs: validMs + GRACE_MS,
    names,
  })
  const known = new Map<string, { context: SecureContext; madeAt: number }>()
  return {
    certificate: authority.certificate,
    contextFor(host) {
      const before = known.get(host)
      if (before !== undefined && now() - before.madeAt < LEAF_REUSED_MS) return before.context
      const madeAt = now()
      const { key, certificate } = authority.issue(host, { now: madeAt, validMs: LEAF_MS })
      const context = createSecureContext({ key, cert: certificate, minVersion: 'TLSv1.2' })
      // A wildcard permits more names than are worth remembering.
      if (known.size >= HOSTS_MAX) known.clear()
      known.set(host, { context, madeAt })
      return context
    },
  }
}
