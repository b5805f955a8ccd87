/** The webhooks of a tenant: who is told what, and what became of it. */
import {
  type Clock,
  type CreateWebhook,
  DeliveryId,
  type NewId,
  OpenExecError,
  type Webhook,
  type WebhookDelivery,
  WebhookId,
} from '../../schema/index.ts'
import {
  countWebhooks,
  type Db,
  enableWebhook,
  getWebhook,
  insertDelivery,
  insertWebhook,
  lastPosition,
  listDeliveries,
  listEnabledWebhooks,
  listWebhooks,
  removeWebhook,
  requeueDelivery,
  type State,
  writeMeta,
} from '../../state/index.ts'
import type { Caller, Tokens } from '../tokens.ts'
import { hookBody } from './collect-deliveries.ts'
import { hookTarget } from './hook-target.ts'
import { newHookSecret } from './sign-hook.ts'

export interface Webhooks {
  /** The secret is in the answer and nowhere else. Throws `bad_request`, `conflict` at the limit. */
  create(request: CreateWebhook, by: Caller): Webhook & { secret: string }
  list(by: Caller): Webhook[]
  /** Throws `not_found`, as all that name one. */
  get(id: string, by: Caller): Webhook
  remove(id: string, by: Caller): Webhook
  /** Begins anew with one that was disabled. */
  enable(id: string, by: Caller): Webhook
  /** A delivery that tells nothing, to try the way. Throws `conflict` for one that is disabled. */
  test(id: string, by: Caller): WebhookDelivery
  deliveries(
    id: string,
    by: Caller,
    options: { limit: number; before: string | undefined },
  ): WebhookDelivery[]
  /** The same bytes once more, as if they had not been sent. */
  redeliver(id: string, delivery: string, by: Caller): WebhookDelivery
}

interface WebhooksDeps {
  state: State
  now: Clock
  newId: NewId
  record: Tokens['record']
}

const WEBHOOKS_OF_TENANT = 32

/** `allowed` are origins that the operator allows although they are not https at a public name. */
export function createWebhooks(deps: WebhooksDeps, allowed: readonly string[]): Webhooks {
  const { state, now, record } = deps
  const idOf = (text: string): WebhookId => {
    const id = WebhookId.safeParse(text)
    if (id.success) return id.data
    throw new OpenExecError('not_found', `Cannot find webhook "${text}"`)
  }
  const change = <T>(
    by: Caller,
    action: string,
    { id, work }: { id: string; work: () => T },
  ): T => {
    const done = state.transact(() => {
      const result = work()
      record(by, { action: `webhook.${action}`, subject: id, details: {} })
      return result
    })
    return done
  }
  return {
    create: (request, by) => create(deps, { request, by, allowed }),
    list: ({ tenant }) => listWebhooks(state.db, tenant),
    get: (id, { tenant }) => getWebhook(state.db, tenant, idOf(id)),
    remove: (id, by) =>
      change(by, 'remove', { id, work: () => removeWebhook(state.db, by.tenant, idOf(id)) }),
    enable: (id, by) =>
      change(by, 'enable', {
        id,
        work: () => {
          skipUnfollowed(state.db)
          return enableWebhook(state.db, by.tenant, idOf(id))
        },
      }),
    test: (id, by) => change(by, 'test', { id, work: () => ping(deps, idOf(id), by) }),
    deliveries: (id, { tenant }, { limit, before }) => {
      const hook = getWebhook(state.db, tenant, idOf(id))
      const cursor = before === undefined ? undefined : deliveryIdOf(before)
      return listDeliveries(state.db, hook.id, { tenant, limit, before: cursor })
    },
    redeliver: (id, delivery, by) =>
      change(by, 'redeliver', {
        id,
        work: () => {
          const { tenant } = by
          const hook = enabled(getWebhook(state.db, tenant, idOf(id)))
          const which = { tenant, webhookId: hook.id, id: deliveryIdOf(delivery) }
          return requeueDelivery(state.db, which, { now: now() })
        },
      }),
  }
}

function create(
  { state, now, newId, record }: WebhooksDeps,
  {
    request: { url, events, description },
    by,
    allowed,
  }: { request: CreateWebhook; by: Caller; allowed: readonly string[] },
): Webhook & { secret: string } {
  hookTarget(url, allowed)
  const { tenant, actor } = by
  const secret = newHookSecret()
  const hook: Webhook = {
    id: WebhookId.parse(newId('hook')),
    tenant,
    url,
    events: [...new Set(events)],
    createdBy: actor,
    createdAt: now(),
    failures: 0,
    ...(description !== undefined && { description }),
  }
  state.transact((tx) => {
    if (countWebhooks(tx, tenant) >= WEBHOOKS_OF_TENANT)
      throw new OpenExecError(
        'conflict',
        `Cannot add a webhook: the tenant has ${WEBHOOKS_OF_TENANT} already`,
        { hint: 'Remove one with `openexec webhook rm`' },
      )
    skipUnfollowed(tx)
    insertWebhook(tx, hook, { secret })
    record(by, { action: 'webhook.create', subject: hook.id, details: { url, events } })
  })
  return { ...hook, secret }
}

/** While no webhook is enabled nobody follows the events; what lies behind is told to nobody. */
function skipUnfollowed(db: Db): void {
  if (listEnabledWebhooks(db).length === 0) writeMeta(db, 'webhooks', String(lastPosition(db)))
}

function ping({ state, now, newId }: WebhooksDeps, id: WebhookId, by: Caller): WebhookDelivery {
  const hook = enabled(getWebhook(state.db, by.tenant, id))
  const createdAt = now()
  const delivery: WebhookDelivery = {
    id: DeliveryId.parse(newId('dlv')),
    webhookId: id,
    tenant: by.tenant,
    event: 'ping',
    status: 'pending',
    attempts: 0,
    nextAt: createdAt,
    createdAt,
  }
  const body = hookBody({ id: delivery.id, hook, createdAt }, undefined)
  insertDelivery(state.db, delivery, { body })
  return delivery
}

function enabled(hook: Webhook): Webhook {
  if (hook.disabledAt === undefined) return hook
  throw new OpenExecError(
    'conflict',
    `Cannot send to webhook "${hook.id}": it is disabled (${hook.disabledReason})`,
    { hint: `Begin anew with \`openexec webhook enable ${hook.id}\`` },
  )
}

function deliveryIdOf(text: string): DeliveryId {
  const id = DeliveryId.safeParse(text)
  if (id.success) return id.data
  throw new OpenExecError('not_found', `Cannot find delivery "${text}"`)
}
