/**
 * Sends what waits. Each delivery arrives at least once or is given up: an attempt is written before
 * it begins, with the time after which somebody else may try, so that a process that dies loses
 * nothing. Attempts are few at once, and of one webhook fewer, so that one that hangs holds up no other.
 */
import type { Clock, DeliveryId, NewId, Tenant, WebhookId } from '../../schema/index.ts'
import {
  claimDelivery,
  type DeliveryToSend,
  disableWebhook,
  listDueWebhooks,
  nextDelivery,
  noteWebhookEnd,
  removeOldDeliveries,
  settleDelivery,
  type State,
} from '../../state/index.ts'
import { collectDeliveries } from './collect-deliveries.ts'
import { hookTarget } from './hook-target.ts'
import { sendHook, type SendDeps, type Sent } from './send-hook.ts'
import { signHook } from './sign-hook.ts'

export interface DeliverDeps extends SendDeps {
  state: State
  now: Clock
  newId: NewId
  /** From 0 to 1, for what must not happen to all at once. */
  random(): number
  /** Origins that the operator allows although they are not https at a public name. */
  allowed: readonly string[]
  /** Told of webhooks that were disabled. */
  onDisabled(hook: { tenant: Tenant; id: WebhookId; reason: string }): void
}

export interface HookSender {
  /** Looks for what is new and due, and begins as many attempts as there is room for. */
  look(): void
  /** Settles when no attempt goes on. */
  idle(): Promise<void>
  /** Attempts by how they ended. */
  counts(): Record<string, number>
  /** Begins no more, and breaks off those that go on: they are tried again later. */
  stop(): Promise<void>
}

const AT_ONCE = 16
const AT_ONCE_OF_HOOK = 2
/** Longer than an attempt can take. */
const LEASE_MS = 60_000
const KEPT_OF_HOOK = 1_000
const LOOK_MS = 500
const TIDY_MS = 3_600_000
/** Between attempts, in `ms`; after the last the delivery is given up. */
const RETRY_MS = [10_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000, 43_200_000]
/** Deliveries in a row that were given up, after which a webhook is. */
const GIVEN_UP_MAX = 5
const GONE = 410

export function createHookSender(deps: DeliverDeps): HookSender {
  const going = new Map<DeliveryId, { hook: WebhookId; done: Promise<void> }>()
  const counts: Record<string, number> = { delivered: 0, retried: 0, failed: 0 }
  const stop = new AbortController()
  let tidiedAt = Number.NEGATIVE_INFINITY
  const attempt = async (delivery: DeliveryToSend): Promise<void> => {
    const sent = await send(deps, delivery, stop.signal)
    // Broken off by the end of this process, it counts as not begun: its lease ends by itself.
    if (stop.signal.aborted) return
    const outcome = settle(deps, delivery, sent)
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  const look = () => {
    if (stop.signal.aborted) return
    collectDeliveries(deps)
    for (const delivery of claimDue(deps, going)) {
      const done = attempt(delivery).finally(() => going.delete(delivery.id))
      going.set(delivery.id, { hook: delivery.webhookId, done })
      done.catch(() => {})
    }
    if (deps.now() - tidiedAt < TIDY_MS) return
    tidiedAt = deps.now()
    removeOldDeliveries(deps.state.db, { keep: KEPT_OF_HOOK })
  }
  const idle = async () => {
    while (going.size > 0) await Promise.allSettled([...going.values()].map(({ done }) => done))
  }
  return {
    look,
    idle,
    counts: () => ({ ...counts }),
    stop: async () => {
      stop.abort()
      await idle()
    },
  }
}

/** How often a server looks, in `ms`. */
export const HOOK_LOOK_MS = LOOK_MS

function claimDue(
  { state, now }: DeliverDeps,
  going: ReadonlyMap<DeliveryId, { hook: WebhookId }>,
): DeliveryToSend[] {
  const hooks = listDueWebhooks(state.db, { now: now() })
  if (hooks.length === 0) return []
  const claimed: DeliveryToSend[] = []
  for (const hook of hooks) {
    const except = [...going.keys()]
    let room = AT_ONCE_OF_HOOK - [...going.values()].filter((each) => each.hook === hook).length
    while (room-- > 0 && claimed.length + going.size < AT_ONCE) {
      const delivery = state.transact((tx) => {
        const id = nextDelivery(tx, hook, { now: now(), except })
        return id && claimDelivery(tx, id, { leaseUntil: now() + LEASE_MS })
      })
      if (delivery === undefined) break
      except.push(delivery.id)
      claimed.push(delivery)
    }
  }
  return claimed
}

interface Attempted extends Sent {
  durationMs: number
}

async function send(
  deps: DeliverDeps,
  { id, event, body, attempts, url, secret }: DeliveryToSend,
  signal: AbortSignal,
): Promise<Attempted> {
  const startedAt = performance.now()
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'openexec-webhook',
    'openexec-delivery': id,
    'openexec-event': event,
    'openexec-attempt': String(attempts),
    'openexec-signature': signHook(secret, body, deps.now()),
  }
  const sent = await whenAllowed(deps, url, (target) =>
    sendHook(deps, { target, body, headers }, signal),
  )
  return { ...sent, durationMs: Math.round(performance.now() - startedAt) }
}

/** The operator may have taken back what was allowed when the webhook was made. */
async function whenAllowed(
  { allowed }: DeliverDeps,
  url: string,
  work: (target: ReturnType<typeof hookTarget>) => Promise<Sent>,
): Promise<Sent> {
  let target
  try {
    target = hookTarget(url, allowed)
  } catch (error) {
    return { httpStatus: undefined, error: error instanceof Error ? error.message : 'Not allowed' }
  }
  return await work(target)
}

function settle(
  { state, now, random, onDisabled }: DeliverDeps,
  { id, webhookId, tenant, attempts }: DeliveryToSend,
  { httpStatus, error, durationMs }: Attempted,
): 'delivered' | 'retried' | 'failed' {
  const about = {
    ...(httpStatus !== undefined && { httpStatus }),
    ...(error !== undefined && { error }),
    durationMs,
  }
  const isGone = httpStatus === GONE
  const retryMs = isGone ? undefined : retryAfter(attempts, random())
  let disabled: string | undefined
  state.transact((tx) => {
    if (error !== undefined && retryMs !== undefined)
      return settleDelivery(tx, id, { ...about, status: 'pending', nextAt: now() + retryMs })
    const status = error === undefined ? 'delivered' : 'failed'
    if (!settleDelivery(tx, id, { ...about, status, settledAt: now() })) return false
    const failures = noteWebhookEnd(tx, webhookId, { arrived: error === undefined })
    if (isGone) disabled = 'The receiver answered 410'
    else if (failures >= GIVEN_UP_MAX) disabled = `${failures} deliveries in a row were given up`
    if (disabled !== undefined) disableWebhook(tx, webhookId, { reason: disabled, now: now() })
    return true
  })
  if (disabled !== undefined) onDisabled({ tenant, id: webhookId, reason: disabled })
  return error === undefined ? 'delivered' : retryMs === undefined ? 'failed' : 'retried'
}

/** The wait after attempt `attempts`, a fifth more or less; `undefined` after the last. */
function retryAfter(attempts: number, random: number): number | undefined {
  const ms = RETRY_MS[attempts - 1]
  return ms === undefined ? undefined : Math.round(ms * (0.8 + 0.4 * random))
}
