/** The tables of what a server does on its own, as drizzle sees them. */
import { integer, sqliteTable, text } from './drizzle.ts'
import type {
  DeliveryId,
  RunId,
  Schedule,
  ScheduleId,
  ScheduleTick,
  Tenant,
  Webhook,
  WebhookDelivery,
  WebhookEvent,
  WebhookId,
} from '../schema/index.ts'

export const webhooks = sqliteTable('webhooks', {
  ordinal: integer().primaryKey(),
  id: text().$type<WebhookId>().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  url: text().notNull(),
  description: text(),
  events: text({ mode: 'json' }).$type<Webhook['events']>().notNull(),
  secret: text().notNull(),
  createdBy: text('created_by').notNull(),
  createdAt: integer('created_at').notNull(),
  failures: integer().notNull(),
  disabledAt: integer('disabled_at'),
  disabledReason: text('disabled_reason'),
})

export const webhookDeliveries = sqliteTable('webhook_deliveries', {
  ordinal: integer().primaryKey(),
  id: text().$type<DeliveryId>().notNull(),
  webhookId: text('webhook_id').$type<WebhookId>().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  event: text().$type<WebhookEvent | 'ping'>().notNull(),
  runId: text('run_id').$type<RunId>(),
  seq: integer(),
  body: text().notNull(),
  status: text().$type<WebhookDelivery['status']>().notNull(),
  attempts: integer().notNull(),
  nextAt: integer('next_at'),
  httpStatus: integer('http_status'),
  error: text(),
  durationMs: integer('duration_ms'),
  createdAt: integer('created_at').notNull(),
  settledAt: integer('settled_at'),
})

export const schedules = sqliteTable('schedules', {
  ordinal: integer().primaryKey(),
  id: text().$type<ScheduleId>().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  name: text().notNull(),
  cron: text().notNull(),
  zone: text().notNull(),
  missed: text().$type<Schedule['missed']>().notNull(),
  overlap: text().$type<Schedule['overlap']>().notNull(),
  request: text({ mode: 'json' }).$type<Schedule['request']>().notNull(),
  createdBy: text('created_by').notNull(),
  createdAt: integer('created_at').notNull(),
  nextAt: integer('next_at'),
  pausedAt: integer('paused_at'),
  pausedReason: text('paused_reason'),
})

export const scheduleTicks = sqliteTable('schedule_ticks', {
  scheduleId: text('schedule_id').$type<ScheduleId>().notNull(),
  tickAt: integer('tick_at').notNull(),
  tenant: text().$type<Tenant>().notNull(),
  outcome: text().$type<ScheduleTick['outcome']>().notNull(),
  runId: text('run_id').$type<RunId>(),
  detail: text(),
  decidedAt: integer('decided_at').notNull(),
})
