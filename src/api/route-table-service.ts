/** The rows of what a server does on its own: webhooks and schedules. */
import { z } from 'zod'
import { CreateWebhook, Webhook, WebhookDelivery } from '../schema/index.ts'
import { row, type RouteRow } from './route-row.ts'
import { DeliveriesQuery } from './routes/webhooks.ts'

export const SERVICE_ROUTES: readonly RouteRow[] = [
  row('POST /v1/webhooks', 'admin', 'Tell an address what happens; the secret is shown this once', {
    body: CreateWebhook,
    status: 201,
    schema: Webhook.extend({ secret: z.string() }),
    refusals: ['conflict'],
  }),
  row('GET /v1/webhooks', 'admin', 'Webhooks, without their secrets', {
    schema: z.object({ webhooks: z.array(Webhook) }),
  }),
  row('GET /v1/webhooks/:id', 'admin', 'One webhook', {
    schema: Webhook,
    refusals: ['not_found'],
  }),
  row('DELETE /v1/webhooks/:id', 'admin', 'Remove a webhook with its deliveries', {
    schema: Webhook,
    refusals: ['not_found'],
  }),
  row('POST /v1/webhooks/:id/enable', 'admin', 'Begin anew with one that was disabled', {
    schema: Webhook,
    refusals: ['not_found'],
  }),
  row('POST /v1/webhooks/:id/test', 'admin', 'Send a ping', {
    status: 202,
    schema: WebhookDelivery,
    refusals: ['not_found', 'conflict'],
  }),
  row('GET /v1/webhooks/:id/deliveries', 'admin', 'What was sent, newest first', {
    query: DeliveriesQuery,
    schema: z.object({ deliveries: z.array(WebhookDelivery), next: z.string().optional() }),
    refusals: ['not_found'],
  }),
  row(
    'POST /v1/webhooks/:id/deliveries/:delivery/redeliver',
    'admin',
    'Send the same bytes once more',
    { status: 202, schema: WebhookDelivery, refusals: ['not_found', 'conflict'] },
  ),
]
