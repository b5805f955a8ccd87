/**
 * What one tenant, one token and one address may take of a server. A token that is valid is never
 * kept out by what others at its address did: failures are counted by address, and only failures
 * are refused by that count.
 */
import type { Caller } from '../runtime/index.ts'
import { OpenExecError, type Tenant } from '../schema/index.ts'
import { createBuckets, type Rate, type Use } from './token-buckets.ts'

export interface RateLimits {
  /** Requests of all tokens of a tenant, and of one token. */
  tenant: Rate
  token: Rate
  /** Requests without a valid token from one address. */
  failures: Rate
  /** Requests of a tenant that are being answered at once. */
  requestsOfTenant: number
  /** Streams of a tenant that are open at once, over whatever carries them. */
  streamsOfTenant: number
}

export const RATE_LIMITS: RateLimits = {
  tenant: { perSecond: 200, burst: 4_000 },
  token: { perSecond: 100, burst: 2_000 },
  failures: { perSecond: 0.5, burst: 60 },
  requestsOfTenant: 256,
  streamsOfTenant: 1_000,
}

type Held = 'requests' | 'streams'

export interface Rates {
  /** One request of a caller; gives the headers that tell what is left. Throws `too_busy`. */
  spend(caller: Caller): Record<string, string>
  /** One failure to say who asks; gives what to answer with, which may be `too_busy`. */
  failed(address: string, error: unknown): unknown
  /** A place among the tenant's, until what is given back is called. Throws `too_busy`. */
  hold(what: Held, tenant: Tenant): () => void
  /** How often each limit refused, by its name. */
  refused(): Record<string, number>
}

const KEYS_MAX = 10_000
/** What a client is told to wait for a place, in seconds. */
const PLACE_RETRY_S = 2

/** `now` is monotonic, in `ms`. */
export function createRates(limits: RateLimits, now: () => number): Rates {
  const given = { now, keysMax: KEYS_MAX }
  const tenants = createBuckets(limits.tenant, given)
  const tokens = createBuckets(limits.token, given)
  const addresses = createBuckets(limits.failures, given)
  const held = { requests: new Map<Tenant, number>(), streams: new Map<Tenant, number>() }
  const most = { requests: limits.requestsOfTenant, streams: limits.streamsOfTenant }
  const counts: Record<string, number> = {
    token: 0,
    tenant: 0,
    address: 0,
    requests: 0,
    streams: 0,
  }
  const refuse = (limit: string, told: { message: string; retryAfterS: number }): OpenExecError => {
    counts[limit] = (counts[limit] ?? 0) + 1
    return new OpenExecError('too_busy', told.message, {
      hint: 'Try again later; Retry-After says when',
      details: { limit, retry_after: told.retryAfterS },
    })
  }
  return {
    spend({ tenant, actor }) {
      const own = tokens.take(actor)
      if (!own.allowed)
        throw refuse('token', { ...own, message: 'Cannot answer: the token asks too often' })
      const all = tenants.take(tenant)
      if (!all.allowed)
        throw refuse('tenant', { ...all, message: 'Cannot answer: the tenant asks too often' })
      return rateHeaders(own.remaining <= all.remaining ? own : all)
    },
    failed(address, error) {
      const use = addresses.take(address)
      if (use.allowed) return error
      const message = 'Cannot answer: too many requests without a valid token came from here'
      return refuse('address', { ...use, message })
    },
    hold(what, tenant) {
      const going = held[what].get(tenant) ?? 0
      if (going >= most[what]) {
        const message = `Cannot answer: the tenant has ${going} ${what} open already`
        throw refuse(what, { message, retryAfterS: PLACE_RETRY_S })
      }
      held[what].set(tenant, going + 1)
      return once(() => {
        const left = (held[what].get(tenant) ?? 1) - 1
        if (left > 0) held[what].set(tenant, left)
        else held[what].delete(tenant)
      })
    },
    refused: () => ({ ...counts }),
  }
}

function rateHeaders({ limit, remaining, resetS }: Use): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetS),
  }
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (!done) work()
    done = true
  }
}
