/** Who wants to be told what, and what became of each telling. */
import { z } from 'zod'
import { EventType } from './event.ts'
import { DeliveryId, RunId, Tenant, WebhookId } from './ids.ts'

/** What can be subscribed to: what somebody outside acts on, and not each step of the work. */
export const WebhookEvent = EventType.extract([
  'run_created',
  'run_started',
  'run_paused',
  'run_resumed',
  'run_completed',
  'step_completed',
  'approval_requested',
  'approval_decided',
  'artifact_created',
])
export type WebhookEvent = z.infer<typeof WebhookEvent>

export const CreateWebhook = z.strictObject({
  /** https, on port 443, unless the operator allows the place otherwise. */
  url: z.string().min(1).max(2048),
  events: z.array(WebhookEvent).min(1).max(WebhookEvent.options.length).default(['run_completed']),
  description: z.string().max(200).optional(),
})
export type CreateWebhook = z.infer<typeof CreateWebhook>

export const Webhook = z.object({
  id: WebhookId,
  tenant: Tenant,
  url: z.string(),
  description: z.string().optional(),
  events: z.array(WebhookEvent),
  /** Id of the token that made it. */
  createdBy: z.string(),
  /** Epoch `ms`, as all of these. */
  createdAt: z.number().int(),
  /** Deliveries in a row that were given up. */
  failures: z.number().int(),
  disabledAt: z.number().int().optional(),
  disabledReason: z.string().optional(),
})
export type Webhook = z.infer<typeof Webhook>

export const WebhookDelivery = z.object({
  id: DeliveryId,
  webhookId: WebhookId,
  tenant: Tenant,
  /** `ping` is what a test sends. */
  event: z.union([WebhookEvent, z.literal('ping')]),
  runId: RunId.optional(),
  seq: z.number().int().optional(),
  status: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.number().int(),
  /** When it is tried next. */
  nextAt: z.number().int().optional(),
  /** Of the last attempt. */
  httpStatus: z.number().int().optional(),
  error: z.string().optional(),
  durationMs: z.number().int().optional(),
  createdAt: z.number().int(),
  settledAt: z.number().int().optional(),
})
export type WebhookDelivery = z.infer<typeof WebhookDelivery>
