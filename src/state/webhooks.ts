/** Rows of webhooks. What is sent, and when one is given up, is decided in `runtime/`. */
import { and, asc, count, eq, isNotNull, isNull } from './drizzle.ts'
import { OpenExecError, type Tenant, type Webhook, type WebhookId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { webhookDeliveries, webhooks } from './service-tables.ts'

export function insertWebhook(db: Db, hook: Webhook, { secret }: { secret: string }): void {
  db.insert(webhooks)
    .values({ ...hook, secret })
    .run()
}

/** Oldest first. */
export function listWebhooks(db: Db, tenant: Tenant): Webhook[] {
  const rows = db.select().from(webhooks).where(eq(webhooks.tenant, tenant))
  return rows.orderBy(asc(webhooks.ordinal)).all().map(webhookOf)
}

/** Of every tenant. */
export function listEnabledWebhooks(db: Db): Webhook[] {
  return db.select().from(webhooks).where(isNull(webhooks.disabledAt)).all().map(webhookOf)
}

export function countWebhooks(db: Db, tenant: Tenant): number {
  const mine = eq(webhooks.tenant, tenant)
  return db.select({ number: count() }).from(webhooks).where(mine).get()?.number ?? 0
}

/** Throws `not_found`. */
export function getWebhook(db: Db, tenant: Tenant, id: WebhookId): Webhook {
  const row = db.select().from(webhooks).where(mineOf(tenant, id)).get()
  if (row !== undefined) return webhookOf(row)
  throw new OpenExecError('not_found', `Cannot find webhook "${id}"`, {
    hint: 'List webhooks with `openexec webhook list`',
  })
}

/** With its deliveries; what is being sent just now still arrives. */
export function removeWebhook(db: Db, tenant: Tenant, id: WebhookId): Webhook {
  const hook = getWebhook(db, tenant, id)
  db.delete(webhookDeliveries).where(eq(webhookDeliveries.webhookId, id)).run()
  db.delete(webhooks).where(mineOf(tenant, id)).run()
  return hook
}

/** Counts deliveries that were given up; one that arrived begins the count anew. */
export function noteWebhookEnd(db: Db, id: WebhookId, { arrived }: { arrived: boolean }): number {
  const row = db.select().from(webhooks).where(eq(webhooks.id, id)).get()
  const failures = arrived ? 0 : (row?.failures ?? 0) + 1
  db.update(webhooks).set({ failures }).where(eq(webhooks.id, id)).run()
  return failures
}

/** Ends what still waits for it. */
export function disableWebhook(
  db: Db,
  id: WebhookId,
  { reason, now }: { reason: string; now: number },
): void {
  const disabled = { disabledAt: now, disabledReason: reason }
  db.update(webhooks).set(disabled).where(eq(webhooks.id, id)).run()
  const waiting = and(eq(webhookDeliveries.webhookId, id), isNotNull(webhookDeliveries.nextAt))
  db.update(webhookDeliveries)
    .set({ status: 'failed', nextAt: null, error: 'The webhook was disabled', settledAt: now })
    .where(waiting)
    .run()
}

/** Throws `not_found`; enabling twice changes nothing. */
export function enableWebhook(db: Db, tenant: Tenant, id: WebhookId): Webhook {
  const anew = { failures: 0, disabledAt: null, disabledReason: null }
  db.update(webhooks).set(anew).where(mineOf(tenant, id)).run()
  return getWebhook(db, tenant, id)
}

function mineOf(tenant: Tenant, id: WebhookId) {
  return and(eq(webhooks.id, id), eq(webhooks.tenant, tenant))
}

function webhookOf(row: typeof webhooks.$inferSelect): Webhook {
  const { secret: _, ...hook } = omitNulls(row)
  return hook
}
