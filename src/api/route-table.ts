/**
 * Every route a server has, as data: who may call it, what it takes and what it answers. The gate
 * refuses what is not listed here, and the OpenAPI document is this list, so that a route without a
 * scope cannot be reached and one without a description does not exist.
 */
import { z } from 'zod'
import {
  Artifact,
  AskRequest,
  AuditEntry,
  AuditReport,
  BlueprintEntry,
  BlueprintReport,
  ContextRequest,
  CreateRun,
  CreateToken,
  DiffStat,
  Document,
  DoctorReport,
  Event,
  Queued,
  RecallRequest,
  ReplayReport,
  RouteRequest,
  Run,
  RunResult,
  Step,
  Token,
} from '../schema/index.ts'
import { DoctorQuery } from './routes/catalog.ts'
import { POLICY_ROUTES } from './policy-rows.ts'
import { AuditQuery, Backup, Gc } from './routes/maintenance.ts'
import { Branch, DiffQuery, FileQuery } from './routes/results.ts'
import { Decision, EventsQuery, Fork, ListQuery } from './routes/runs.ts'
import { StreamAllQuery, StreamQuery } from './routes/streams.ts'
import { row, type RouteRow } from './route-row.ts'
import { SERVICE_ROUTES } from './route-table-service.ts'
import { SOURCE_ROWS } from './source-rows.ts'
import { TicketRequest } from './stream/tickets.ts'

/** Bytes of any body, and of one that may bring documents and patches. */
export const BODY_BYTES_MAX = 1024 * 1024
export const RUN_BODY_BYTES_MAX = 8 * 1024 * 1024

export const ROUTES: readonly RouteRow[] = [
  row('GET /health', 'public', 'Whether the process answers', {}),
  row(
    'GET /ready',
    'public',
    'Whether it takes runs: state and engine answer, and it is not ending',
    { refusals: ['unavailable'] },
  ),
  row('GET /metrics', 'operator', 'Prometheus metrics', { type: 'text/plain' }),
  row('GET /v1/health', 'public', 'The same as /health', {}),
  row('GET /v1/ready', 'public', 'The same as /ready', { refusals: ['unavailable'] }),
  row('GET /v1/metrics', 'operator', 'The same as /metrics', { type: 'text/plain' }),
  row('GET /v1/openapi.json', 'public', 'This document', {}),
  row('POST /v1/runs', 'runs:create', 'Start a run; it waits in the queue for its turn', {
    body: CreateRun,
    status: 201,
    schema: Run,
    refusals: [
      'too_large',
      'conflict',
      'too_busy',
      'unavailable',
      'repository_invalid',
      'blueprint_invalid',
      'policy_invalid',
      'policy_denied',
      'image_not_found',
      'engine_unavailable',
    ],
  }),
  ...SOURCE_ROWS,
  row('POST /v1/runs/of-task/:task', 'runs:create', 'Run a task once more', {
    status: 201,
    schema: Run,
    refusals: ['not_found', 'too_busy', 'engine_unavailable'],
  }),
  row('GET /v1/runs', 'runs:read', 'Runs, newest first', {
    query: ListQuery,
    schema: z.object({ runs: z.array(Run), next: z.string().optional() }),
  }),
  row('GET /v1/runs/:id', 'runs:read', 'One run', { schema: Run, refusals: ['not_found'] }),
  row('GET /v1/runs/:id/events', 'runs:read', 'A page of its timeline', {
    query: EventsQuery,
    schema: z.object({ events: z.array(Event) }),
    refusals: ['not_found'],
  }),
  row(
    'GET /v1/runs/:id/stream',
    'runs:read',
    'Events and output as they come: NDJSON, server-sent events by Accept, or a WebSocket',
    {
      query: StreamQuery,
      type: 'application/x-ndjson',
      refusals: ['not_found'],
    },
  ),
  row(
    'GET /v1/stream',
    'runs:read',
    'Events of all runs as they come: server-sent events, or a WebSocket',
    {
      query: StreamAllQuery,
      type: 'text/event-stream',
    },
  ),
  row('POST /v1/stream-tickets', 'runs:read', 'A ticket that opens one stream, for browsers', {
    body: TicketRequest,
    status: 201,
    schema: z.object({ ticket: z.string(), expires_at: z.number().int() }),
    refusals: ['too_busy'],
  }),
  row('POST /v1/runs/:id/cancel', 'runs:create', 'Ask a run to stop', {
    schema: Run,
    refusals: ['not_found', 'conflict'],
  }),
  row('POST /v1/runs/:id/resume', 'runs:create', 'Go on with a run that rests', {
    status: 202,
    schema: z.object({ run: Run, after: z.number().int() }),
    refusals: ['not_found', 'conflict', 'approval_required'],
  }),
  row('POST /v1/runs/:id/decide', 'approve', 'Allow or refuse what a run asks for', {
    body: Decision,
    schema: Run,
    refusals: ['not_found', 'conflict', 'policy_denied'],
  }),
  row('GET /v1/runs/:id/result', 'runs:read', 'How it ended', {
    schema: RunResult,
    refusals: ['not_found'],
  }),
  row('GET /v1/runs/:id/steps', 'runs:read', 'Its stage attempts', {
    schema: z.object({ steps: z.array(Step) }),
    refusals: ['not_found'],
  }),
  row('GET /v1/runs/:id/artifacts', 'runs:read', 'Its artifacts', {
    schema: z.object({ artifacts: z.array(Artifact) }),
    refusals: ['not_found'],
  }),
  row('GET /v1/runs/:id/artifacts/:artifact', 'runs:read', 'The content of one, by name or id', {
    type: 'application/octet-stream',
    refusals: ['not_found'],
  }),
  row('GET /v1/runs/:id/audit', 'runs:read', 'Whether its record is whole and unchanged', {
    schema: AuditReport,
    refusals: ['not_found'],
  }),
  row('GET /v1/runs/:id/replay', 'runs:read', 'Whether its record replays to the same events', {
    schema: ReplayReport,
    refusals: ['not_found', 'conflict', 'state_corrupt'],
  }),
  row('GET /v1/runs/:id/diff', 'runs:read', 'What it changed', {
    query: DiffQuery,
    type: 'application/octet-stream',
    refusals: ['not_found'],
  }),
  row('POST /v1/runs/:id/apply', 'admin', 'Bring its changes into the checkout on the server', {
    schema: DiffStat,
    refusals: ['not_found', 'conflict', 'policy_denied'],
  }),
  row('GET /v1/runs/:id/file', 'runs:read', 'A file as the run left it', {
    query: FileQuery,
    type: 'application/octet-stream',
    refusals: ['not_found'],
  }),
  row('POST /v1/runs/:id/merge', 'admin', 'Merge what it made into the branch on the server', {
    schema: DiffStat.loose(),
    refusals: ['not_found', 'conflict', 'policy_denied'],
  }),
  row('POST /v1/runs/:id/branch', 'admin', 'Make a branch on the server of what it made', {
    body: Branch,
    status: 201,
    refusals: ['not_found', 'conflict', 'policy_denied'],
  }),
  row('POST /v1/runs/:id/fork', 'runs:create', 'Start runs from one of its checkpoints', {
    body: Fork,
    status: 201,
    schema: z.object({ runs: z.array(Run) }),
    refusals: ['not_found', 'policy_denied', 'too_busy', 'engine_unavailable'],
  }),
  row('GET /v1/blueprints', 'runs:read', 'Blueprints that ship', {
    schema: z.object({ blueprints: z.array(BlueprintEntry) }),
  }),
  row('POST /v1/blueprints/check', 'runs:read', 'Prove that a blueprint is sound', {
    body: Document,
    schema: BlueprintReport,
    refusals: ['blueprint_invalid'],
  }),
  ...POLICY_ROUTES,
  row('POST /v1/context', 'operator', 'The files of a repository that fit a task', {
    body: ContextRequest,
    refusals: ['repository_invalid', 'repository_unsafe'],
  }),
  row('POST /v1/context/recall', 'operator', 'How well packs find what commits changed', {
    body: RecallRequest,
    refusals: ['repository_invalid', 'repository_unsafe'],
  }),
  row('POST /v1/ask', 'operator', 'Do what a request in words asks for', {
    body: AskRequest,
    status: 201,
    refusals: ['not_found', 'repository_invalid', 'repository_unsafe', 'engine_unavailable'],
  }),
  row('POST /v1/route', 'operator', 'What a request in words would be', {
    body: RouteRequest,
    refusals: ['repository_invalid', 'repository_unsafe'],
  }),
  row('GET /v1/queue', 'runs:read', 'How busy the server is', { schema: Queued }),
  row('GET /v1/doctor', 'operator', 'What this machine can enforce', {
    query: DoctorQuery,
    schema: DoctorReport,
    refusals: ['engine_unavailable'],
  }),
  row('POST /v1/recover', 'operator', 'Remove what crashed processes left', {
    refusals: ['engine_unavailable'],
  }),
  row('POST /v1/gc', 'operator', 'Remove old runs', { body: Gc, refusals: ['engine_unavailable'] }),
  row('POST /v1/backup', 'operator', 'Copy the state to a file of the server, while it is used', {
    body: Backup,
    schema: z.object({ file: z.string(), bytes: z.number().int() }),
    refusals: ['state_unusable', 'conflict'],
  }),
  row('GET /v1/audit', 'admin', 'What administrators did', {
    query: AuditQuery,
    schema: z.object({ entries: z.array(AuditEntry) }),
  }),
  row('POST /v1/tokens', 'admin', 'Make a token; it is shown this once', {
    body: CreateToken,
    status: 201,
    schema: Token.extend({ token: z.string() }),
    refusals: ['forbidden'],
  }),
  row('GET /v1/tokens', 'admin', 'Tokens, without what they are', {
    schema: z.object({ tokens: z.array(Token) }),
  }),
  row('DELETE /v1/tokens/:id', 'admin', 'Revoke a token', {
    schema: Token,
    refusals: ['not_found'],
  }),
  ...SERVICE_ROUTES,
]
