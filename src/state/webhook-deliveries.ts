/** Rows of deliveries: what is to be told to whom, and what became of it. */
import {
  and,
  asc,
  count,
  desc,
  eq,
  isNotNull,
  isNull,
  lt,
  lte,
  notInArray,
  sql,
} from './drizzle.ts'
import {
  type DeliveryId,
  OpenExecError,
  type Tenant,
  type WebhookDelivery,
  type WebhookId,
} from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { webhookDeliveries, webhooks } from './service-tables.ts'

/** What whoever sends it needs. */
export interface DeliveryToSend {
  id: DeliveryId
  webhookId: WebhookId
  tenant: Tenant
  event: WebhookDelivery['event']
  body: string
  /** With the one that is about to begin. */
  attempts: number
  url: string
  secret: string
}

export function insertDelivery(
  db: Db,
  delivery: WebhookDelivery,
  { body }: { body: string },
): void {
  db.insert(webhookDeliveries)
    .values({ ...delivery, body })
    .run()
}

/** Enabled webhooks that something waits for, who waits longest first. */
export function listDueWebhooks(db: Db, { now }: { now: number }): WebhookId[] {
  return db
    .select({ id: webhookDeliveries.webhookId })
    .from(webhookDeliveries)
    .innerJoin(webhooks, eq(webhooks.id, webhookDeliveries.webhookId))
    .where(and(isNull(webhooks.disabledAt), lte(webhookDeliveries.nextAt, now)))
    .groupBy(webhookDeliveries.webhookId)
    .orderBy(asc(sql`min(${webhookDeliveries.nextAt})`))
    .all()
    .map(({ id }) => id)
}

/** The first of a webhook that is due, but for those named. */
export function nextDelivery(
  db: Db,
  webhookId: WebhookId,
  { now, except }: { now: number; except: readonly DeliveryId[] },
): DeliveryId | undefined {
  const due = and(
    eq(webhookDeliveries.webhookId, webhookId),
    lte(webhookDeliveries.nextAt, now),
    notInArray(webhookDeliveries.id, [...except]),
  )
  const rows = db.select({ id: webhookDeliveries.id }).from(webhookDeliveries).where(due)
  return rows.orderBy(asc(webhookDeliveries.nextAt)).limit(1).get()?.id
}

/**
 * Begins an attempt: until `leaseUntil` nobody else takes it, so that one whose sender died is tried
 * again after that.
 */
export function claimDelivery(
  db: Db,
  id: DeliveryId,
  { leaseUntil }: { leaseUntil: number },
): DeliveryToSend | undefined {
  const found = db
    .select()
    .from(webhookDeliveries)
    .innerJoin(webhooks, eq(webhooks.id, webhookDeliveries.webhookId))
    .where(and(eq(webhookDeliveries.id, id), isNotNull(webhookDeliveries.nextAt)))
    .get()
  if (found === undefined) return undefined
  const { webhook_deliveries: row, webhooks: hook } = found
  const attempts = row.attempts + 1
  db.update(webhookDeliveries)
    .set({ attempts, nextAt: leaseUntil })
    .where(eq(webhookDeliveries.id, id))
    .run()
  const { webhookId, tenant, event, body } = row
  return { id, webhookId, tenant, event, body, attempts, url: hook.url, secret: hook.secret }
}

/** Writes what became of an attempt; nothing where the delivery is gone or settled already. */
export function settleDelivery(
  db: Db,
  id: DeliveryId,
  end: Pick<WebhookDelivery, 'status' | 'nextAt' | 'httpStatus' | 'error' | 'durationMs'> & {
    settledAt?: number
  },
): boolean {
  const open = and(eq(webhookDeliveries.id, id), isNotNull(webhookDeliveries.nextAt))
  const { status, nextAt, httpStatus, error, durationMs, settledAt } = end
  const change = {
    status,
    nextAt: nextAt ?? null,
    httpStatus: httpStatus ?? null,
    error: error ?? null,
    durationMs: durationMs ?? null,
    settledAt: settledAt ?? null,
  }
  return db.update(webhookDeliveries).set(change).where(open).run().changes === 1
}

/** Sends it once more, as if it had not been tried. Throws `not_found`. */
export function requeueDelivery(
  db: Db,
  which: { tenant: Tenant; webhookId: WebhookId; id: DeliveryId },
  { now }: { now: number },
): WebhookDelivery {
  const anew = { status: 'pending', attempts: 0, nextAt: now, settledAt: null } as const
  db.update(webhookDeliveries).set(anew).where(mineOf(which)).run()
  return getDelivery(db, which)
}

/** Throws `not_found`. */
function getDelivery(
  db: Db,
  which: { tenant: Tenant; webhookId: WebhookId; id: DeliveryId },
): WebhookDelivery {
  const row = db.select().from(webhookDeliveries).where(mineOf(which)).get()
  if (row !== undefined) return deliveryOf(row)
  throw new OpenExecError('not_found', `Cannot find delivery "${which.id}"`, {
    hint: `List them with \`openexec webhook deliveries ${which.webhookId}\``,
  })
}

/** Newest first, older than `before`. */
export function listDeliveries(
  db: Db,
  webhookId: WebhookId,
  { tenant, limit, before }: { tenant: Tenant; limit: number; before: DeliveryId | undefined },
): WebhookDelivery[] {
  const place =
    before === undefined
      ? undefined
      : db
          .select({ ordinal: webhookDeliveries.ordinal })
          .from(webhookDeliveries)
          .where(mineOf({ tenant, webhookId, id: before }))
          .get()?.ordinal
  const mine = and(
    eq(webhookDeliveries.webhookId, webhookId),
    eq(webhookDeliveries.tenant, tenant),
    place === undefined ? undefined : lt(webhookDeliveries.ordinal, place),
  )
  const rows = db.select().from(webhookDeliveries).where(mine)
  return rows.orderBy(desc(webhookDeliveries.ordinal)).limit(limit).all().map(deliveryOf)
}

/** How many wait, of one webhook or of all. */
export function countDeliveries(db: Db, webhookId: WebhookId | undefined): number {
  const one = webhookId === undefined ? undefined : eq(webhookDeliveries.webhookId, webhookId)
  const waiting = and(isNotNull(webhookDeliveries.nextAt), one)
  return db.select({ number: count() }).from(webhookDeliveries).where(waiting).get()?.number ?? 0
}

/** Of each webhook the newest `keep` stay, and whatever still waits. */
export function removeOldDeliveries(db: Db, { keep }: { keep: number }): void {
  for (const { id } of db.select({ id: webhooks.id }).from(webhooks).all()) {
    const mine = eq(webhookDeliveries.webhookId, id)
    const kept = db
      .select({ ordinal: webhookDeliveries.ordinal })
      .from(webhookDeliveries)
      .where(mine)
      .orderBy(desc(webhookDeliveries.ordinal))
      .limit(1)
      .offset(keep)
      .get()
    if (kept === undefined) continue
    const old = and(
      mine,
      lte(webhookDeliveries.ordinal, kept.ordinal),
      isNull(webhookDeliveries.nextAt),
    )
    db.delete(webhookDeliveries).where(old).run()
  }
}

function mineOf({
  tenant,
  webhookId,
  id,
}: {
  tenant: Tenant
  webhookId: WebhookId
  id: DeliveryId
}) {
  return and(
    eq(webhookDeliveries.id, id),
    eq(webhookDeliveries.webhookId, webhookId),
    eq(webhookDeliveries.tenant, tenant),
  )
}

function deliveryOf(row: typeof webhookDeliveries.$inferSelect): WebhookDelivery {
  const { body: _, ...delivery } = omitNulls(row)
  return delivery
}
