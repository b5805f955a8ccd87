/**
 * Makes deliveries of events. A cursor over the order of all commits moves in the transaction that
 * writes the deliveries, so that each event is taken once, whatever dies in between; events that
 * other processes wrote count too.
 */
import {
  type Clock,
  DeliveryId,
  type Event,
  type NewId,
  type Run,
  type Tenant,
  type Webhook,
  WebhookEvent,
} from '../../schema/index.ts'
import {
  countDeliveries,
  type Db,
  disableWebhook,
  getRun,
  insertDelivery,
  listEnabledWebhooks,
  readEventsOfTypes,
  readMeta,
  type State,
  writeMeta,
} from '../../state/index.ts'

export interface CollectDeps {
  state: State
  now: Clock
  newId: NewId
}

const BATCH = 200
/** Deliveries that may wait for one webhook. */
const WAITING_MAX = 10_000
/** Bytes of what an event carries; a larger one is told without it. */
const PAYLOAD_BYTES_MAX = 64 * 1024

/** Gives how many deliveries were made. */
export function collectDeliveries(deps: CollectDeps): number {
  let made = 0
  for (;;) {
    const { count, isLast } = deps.state.transact((tx) => collectBatch(deps, tx))
    made += count
    if (isLast) return made
  }
}

function collectBatch(deps: CollectDeps, tx: Db): { count: number; isLast: boolean } {
  const hooks = listEnabledWebhooks(tx)
  if (hooks.length === 0) return { count: 0, isLast: true }
  const after = Number(readMeta(tx, 'webhooks') ?? 0)
  const batch = readEventsOfTypes(tx, WebhookEvent.options, { after, limit: BATCH })
  let count = 0
  for (const { tenant, event } of batch)
    for (const hook of hooks)
      if (wants(hook, tenant, event) && hasRoom(deps, tx, hook)) {
        tell(deps, tx, { hook, event })
        count += 1
      }
  const last = batch.at(-1)?.position
  if (last !== undefined) writeMeta(tx, 'webhooks', String(last))
  return { count, isLast: batch.length < BATCH }
}

/** What happened before it was there is not told to it. */
function wants(hook: Webhook, tenant: Tenant, { type, ts }: Event): boolean {
  const kind = WebhookEvent.safeParse(type)
  if (!kind.success || hook.tenant !== tenant || hook.createdAt > ts) return false
  return hook.events.includes(kind.data)
}

function hasRoom({ now }: CollectDeps, tx: Db, hook: Webhook): boolean {
  if (hook.disabledAt !== undefined) return false
  if (countDeliveries(tx, hook.id) < WAITING_MAX) return true
  const reason = `${WAITING_MAX} deliveries wait already`
  disableWebhook(tx, hook.id, { reason, now: now() })
  hook.disabledAt = now()
  return false
}

function tell(
  { now, newId }: CollectDeps,
  tx: Db,
  { hook, event }: { hook: Webhook; event: Event },
): void {
  const id = DeliveryId.parse(newId('dlv'))
  const createdAt = now()
  const { run: runId, seq } = event
  const body = hookBody({ id, hook, createdAt }, { event, run: getRun(tx, runId) })
  insertDelivery(
    tx,
    {
      id,
      webhookId: hook.id,
      tenant: hook.tenant,
      event: WebhookEvent.parse(event.type),
      runId,
      seq,
      status: 'pending',
      attempts: 0,
      nextAt: createdAt,
      createdAt,
    },
    { body },
  )
}

/** What a receiver reads; the same bytes at each attempt, as they are signed. */
export function hookBody(
  { id, hook, createdAt }: { id: DeliveryId; hook: Webhook; createdAt: number },
  about: { event: Event; run: Run } | undefined,
): string {
  const head = { id, webhook: hook.id, tenant: hook.tenant, created_at: createdAt }
  if (about === undefined) return JSON.stringify({ ...head, type: 'ping' })
  const { event, run } = about
  const { type, seq, ts, stage, attempt, payload } = event
  const fits = Buffer.byteLength(JSON.stringify(payload)) <= PAYLOAD_BYTES_MAX
  const { id: run_id, status, reason, blueprint, taskId } = run
  return JSON.stringify({
    ...head,
    type,
    run: { id: run_id, task: taskId, status, reason, blueprint },
    event: { seq, ts, stage, attempt, ...(fits ? { payload } : { payload_left_out: true }) },
  })
}
