/** The rows of what a server does on its own: webhooks and schedules. */
import { z } from 'zod'
import {
  CreateSchedule,
  CreateWebhook,
  Run,
  Schedule,
  ScheduleTick,
  Webhook,
  WebhookDelivery,
} from '../schema/index.ts'
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
  row('POST /v1/schedules', 'runs:create', 'Begin runs by the clock', {
    body: CreateSchedule,
    status: 201,
    schema: Schedule,
    refusals: ['conflict', 'repository_invalid', 'blueprint_invalid', 'policy_invalid'],
  }),
  row('GET /v1/schedules', 'runs:read', 'Schedules, oldest first', {
    schema: z.object({ schedules: z.array(Schedule) }),
  }),
  row('GET /v1/schedules/:id', 'runs:read', 'One schedule, by id or name, with its last ticks', {
    schema: Schedule.extend({ ticks: z.array(ScheduleTick) }),
    refusals: ['not_found'],
  }),
  row('DELETE /v1/schedules/:id', 'runs:create', 'Remove a schedule; its runs stay', {
    schema: Schedule,
    refusals: ['not_found'],
  }),
  row('POST /v1/schedules/:id/pause', 'runs:create', 'Begin nothing more for now', {
    schema: Schedule,
    refusals: ['not_found'],
  }),
  row('POST /v1/schedules/:id/resume', 'runs:create', 'Go on, with the rights of the token', {
    schema: Schedule,
    refusals: ['not_found'],
  }),
  row('POST /v1/schedules/:id/run', 'runs:create', 'Begin its run once, now', {
    status: 201,
    schema: Run,
    refusals: [
      'not_found',
      'unavailable',
      'repository_invalid',
      'blueprint_invalid',
      'policy_invalid',
      'policy_denied',
      'image_not_found',
      'engine_unavailable',
    ],
  }),
]
