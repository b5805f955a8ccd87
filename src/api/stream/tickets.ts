/**
 * Tickets for browsers, which cannot send a header when they open a stream: each opens one stream,
 * within half a minute, for the tenant that asked, and can do nothing else.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Caller } from '../../runtime/index.ts'
import { type Clock, OpenExecError } from '../../schema/index.ts'

/** The run it is for; any stream of the tenant when omitted. */
export const TicketRequest = z.strictObject({ run: z.string().min(1).max(64).optional() })

export type TicketRequest = z.infer<typeof TicketRequest>

export interface Tickets {
  /** Throws `too_busy` when too many are out. */
  issue(by: Caller, run: string | undefined): { ticket: string; expires_at: number }
  /** The caller it stands for; `undefined` for one that is used, too old or for another stream. */
  redeem(ticket: string, run: string | undefined): Caller | undefined
}

const LIFE_MS = 30_000
const OUT_MAX = 10_000

export function createTickets(now: Clock): Tickets {
  const out = new Map<string, { by: Caller; run: string | undefined; until: number }>()
  const forgetOld = () => {
    for (const [ticket, { until }] of out) if (until <= now()) out.delete(ticket)
  }
  return {
    issue(by, run) {
      forgetOld()
      if (out.size >= OUT_MAX)
        throw new OpenExecError('too_busy', 'Cannot issue a ticket: too many are not used', {
          details: { retry_after: LIFE_MS / 1000 },
        })
      const ticket = randomBytes(32).toString('base64url')
      const until = now() + LIFE_MS
      out.set(ticket, { by, run, until })
      return { ticket, expires_at: until }
    },
    redeem(ticket, run) {
      const found = out.get(ticket)
      out.delete(ticket)
      if (found === undefined || found.until <= now()) return undefined
      return found.run === undefined || found.run === run ? found.by : undefined
    },
  }
}
