/** The tables as drizzle sees them; `migrations/` makes them, with the CHECKs that are not told here. */
import { integer, sqliteTable, text } from './drizzle.ts'
import type {
  ApprovalId,
  ArtifactId,
  ArtifactType,
  Capability,
  EventType,
  JsonObject,
  JsonValue,
  Level,
  Reason,
  RunId,
  RunRequest,
  RunStatus,
  SandboxId,
  Scope,
  Session,
  SessionId,
  StepId,
  TaskId,
  Tenant,
  TokenId,
  ToolCallId,
  Verdict,
} from '../schema/index.ts'

export const meta = sqliteTable('meta', {
  key: text().primaryKey(),
  value: text().notNull(),
})

export const sessions = sqliteTable('sessions', {
  id: text().$type<SessionId>().primaryKey(),
  tenant: text().$type<Tenant>().notNull(),
  mode: text().$type<Session['mode']>().notNull(),
  createdAt: integer('created_at').notNull(),
})

export const tasks = sqliteTable('tasks', {
  id: text().$type<TaskId>().primaryKey(),
  tenant: text().$type<Tenant>().notNull(),
  sessionId: text('session_id').$type<SessionId>().notNull(),
  description: text().notNull(),
  repo: text().notNull(),
  toolset: text(),
  createdAt: integer('created_at').notNull(),
})

export const runs = sqliteTable('runs', {
  ordinal: integer().primaryKey(),
  id: text().$type<RunId>().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  taskId: text('task_id').$type<TaskId>().notNull(),
  blueprint: text().notNull(),
  status: text().$type<RunStatus>().notNull(),
  reason: text().$type<Reason>(),
  detail: text(),
  request: text({ mode: 'json' }).$type<RunRequest>().notNull(),
  baseCommit: text('base_commit'),
  baseTree: text('base_tree'),
  headTree: text('head_tree'),
  policyHash: text('policy_hash'),
  owner: text(),
  cancelRequested: integer('cancel_requested', { mode: 'boolean' }).notNull(),
  createdAt: integer('created_at').notNull(),
  startedAt: integer('started_at'),
  endedAt: integer('ended_at'),
  deadlineAt: integer('deadline_at'),
})

export const purgedRuns = sqliteTable('purged_runs', {
  runId: text('run_id').$type<RunId>().primaryKey(),
  lastSeq: integer('last_seq').notNull(),
  lastHash: text('last_hash').notNull(),
  purgedAt: integer('purged_at').notNull(),
})

export const steps = sqliteTable('steps', {
  ordinal: integer().primaryKey(),
  id: text().$type<StepId>().notNull(),
  runId: text('run_id').$type<RunId>().notNull(),
  stage: text().notNull(),
  attempt: integer().notNull(),
  idempotencyKey: text('idempotency_key').notNull(),
  baseTree: text('base_tree').notNull(),
  verdict: text().$type<Verdict>(),
  reason: text().$type<Reason>(),
  detail: text(),
  tree: text(),
  commit: text(),
  startedAt: integer('started_at').notNull(),
  endedAt: integer('ended_at'),
})

export const toolCalls = sqliteTable('tool_calls', {
  ordinal: integer().primaryKey(),
  id: text().$type<ToolCallId>().notNull(),
  runId: text('run_id').$type<RunId>().notNull(),
  stepId: text('step_id').$type<StepId>().notNull(),
  kind: text().$type<'tool' | 'action'>().notNull(),
  name: text().notNull(),
  args: text({ mode: 'json' }).$type<JsonObject>().notNull(),
  verdict: text().$type<Verdict>(),
  result: text({ mode: 'json' }).$type<JsonValue>(),
  startedAt: integer('started_at').notNull(),
  endedAt: integer('ended_at'),
})

export const artifacts = sqliteTable('artifacts', {
  ordinal: integer().primaryKey(),
  id: text().$type<ArtifactId>().notNull(),
  runId: text('run_id').$type<RunId>().notNull(),
  stepId: text('step_id').$type<StepId>(),
  name: text().notNull(),
  type: text().$type<ArtifactType>().notNull(),
  mediaType: text('media_type').notNull(),
  sha256: text().notNull(),
  size: integer().notNull(),
  createdAt: integer('created_at').notNull(),
})

export const events = sqliteTable('events', {
  position: integer().primaryKey({ autoIncrement: true }),
  runId: text('run_id').$type<RunId>().notNull(),
  seq: integer().notNull(),
  ts: integer().notNull(),
  type: text().$type<EventType>().notNull(),
  stage: text(),
  attempt: integer(),
  cause: integer(),
  payload: text().notNull(),
  volatile: text().notNull(),
  prev: text().notNull(),
  replayHash: text('replay_hash').notNull(),
  hash: text().notNull(),
})

export const approvals = sqliteTable('approvals', {
  ordinal: integer().primaryKey(),
  id: text().$type<ApprovalId>().notNull(),
  runId: text('run_id').$type<RunId>().notNull(),
  stepId: text('step_id').$type<StepId>(),
  stage: text().notNull(),
  capability: text().$type<Capability>().notNull(),
  level: text().$type<Level>().notNull(),
  requestHash: text('request_hash').notNull(),
  request: text({ mode: 'json' }).$type<JsonObject>().notNull(),
  status: text().$type<'pending' | 'approved' | 'rejected' | 'consumed'>().notNull(),
  reason: text(),
  decidedBy: text('decided_by'),
  createdAt: integer('created_at').notNull(),
  expiresAt: integer('expires_at').notNull(),
  decidedAt: integer('decided_at'),
  consumedAt: integer('consumed_at'),
})

export const sandboxes = sqliteTable('sandboxes', {
  id: text().$type<SandboxId>().primaryKey(),
  runId: text('run_id').$type<RunId>(),
  container: text().notNull(),
  createdAt: integer('created_at').notNull(),
  expiresAt: integer('expires_at').notNull(),
})

export const sandboxSessions = sqliteTable('sandbox_sessions', {
  sandboxId: text('sandbox_id').$type<SandboxId>().primaryKey(),
  session: text({ mode: 'json' }).$type<JsonValue>().notNull(),
})

export const runningCommands = sqliteTable('running_commands', {
  stepId: text('step_id').$type<StepId>().notNull(),
  name: text().notNull(),
  runId: text('run_id').$type<RunId>().notNull(),
  sandboxId: text('sandbox_id').$type<SandboxId>().notNull(),
  channel: integer().notNull(),
  startedAt: integer('started_at').notNull(),
  result: text({ mode: 'json' }).$type<JsonValue>(),
})

export const cacheEntries = sqliteTable('cache_entries', {
  key: text().primaryKey(),
  kind: text().notNull(),
  value: text().notNull(),
  size: integer().notNull(),
  originRun: text('origin_run').$type<RunId>(),
  createdAt: integer('created_at').notNull(),
  usedAt: integer('used_at').notNull(),
})

export const tokens = sqliteTable('tokens', {
  ordinal: integer().primaryKey(),
  id: text().$type<TokenId>().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  name: text().notNull(),
  hash: text().notNull(),
  scopes: text({ mode: 'json' }).$type<Scope[]>().notNull(),
  createdAt: integer('created_at').notNull(),
  expiresAt: integer('expires_at'),
  revokedAt: integer('revoked_at'),
  usedAt: integer('used_at'),
})

export const queueEntries = sqliteTable('queue_entries', {
  ordinal: integer().primaryKey(),
  runId: text('run_id').$type<RunId>().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  priority: integer().notNull(),
  enqueuedAt: integer('enqueued_at').notNull(),
  expiresAt: integer('expires_at'),
})

export const idempotencyKeys = sqliteTable('idempotency_keys', {
  tenant: text().$type<Tenant>().notNull(),
  key: text().notNull(),
  requestHash: text('request_hash').notNull(),
  runId: text('run_id').$type<RunId>().notNull(),
  createdAt: integer('created_at').notNull(),
})

export const auditEntries = sqliteTable('audit_entries', {
  ordinal: integer().primaryKey({ autoIncrement: true }),
  at: integer().notNull(),
  tenant: text().$type<Tenant>().notNull(),
  actor: text().notNull(),
  action: text().notNull(),
  subject: text(),
  requestId: text('request_id'),
  details: text({ mode: 'json' }).$type<JsonObject>().notNull(),
})
