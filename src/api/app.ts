/**
 * The public API as one Hono app, as one tenant sees it. It validates, makes one call into the runtime
 * and answers; the command line speaks to it in process, a server puts its gate before it.
 */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type {
  Advisor,
  Caller,
  Catalog,
  Queue,
  QueuePlace,
  Runtime,
  Schedules,
  Tokens,
  Uploads,
  Webhooks,
} from '../runtime/index.ts'
import {
  type CreateRun,
  ERROR_TABLE,
  type ErrorBody,
  OpenExecError,
  type Run,
  type RunRequest,
  toErrorBody,
} from '../schema/index.ts'
import type { ApiEnv } from './env.ts'
import { adviceRoutes } from './routes/advice.ts'
import { catalogRoutes } from './routes/catalog.ts'
import { maintenanceRoutes } from './routes/maintenance.ts'
import { packRoutes } from './routes/pack.ts'
import { queueRoutes } from './routes/queue.ts'
import { resultRoutes } from './routes/results.ts'
import { policyRoutes } from './routes/policies.ts'
import { runRoutes } from './routes/runs.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { streamRoutes } from './routes/streams.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { uploadRoutes } from './routes/uploads.ts'

export interface ApiDeps {
  runtime: Runtime
  catalog: Catalog
  advisor: Advisor
  tokens: Tokens
  webhooks: Webhooks
  schedules: Schedules
  uploads: Uploads
  /** Throws `too_busy` when no more runs may wait. */
  admit(): void
  /** Sees to it that a queued or resumed run is executed; must not wait for its end. */
  launch(run: Run): void
  /** A new run that will be executed; `again` when an idempotency key named it before. */
  submit(
    request: RunRequest,
    options: { signal: AbortSignal } & QueuePlace,
  ): Promise<{ run: Run; again: boolean }>
  /** What a request means here. Throws `forbidden` for a place its caller may not use. */
  requestOf(body: CreateRun | RunRequest, caller: Caller): RunRequest
  /** `undefined` where each run is executed at once. */
  counts: Queue['counts'] | undefined
  /** Copies the whole state, while it is used, to a file that is not there yet. */
  backup(file: string): Promise<{ bytes: number }>
  /** Told of failures that are bugs; the caller only reads "Internal error". */
  onBug(error: unknown, requestId: string | undefined): void
}

export function createApi(deps: ApiDeps) {
  const api = new Hono<ApiEnv>()
    .get('/v1/health', (c) => c.json({ ok: true }))
    .route('/v1/runs', runRoutes(deps))
    .route('/v1/policies', policyRoutes(deps))
    .route('/v1/runs', resultRoutes(deps))
    .route('/v1/runs', packRoutes(deps))
    .route('/v1', streamRoutes(deps))
    .route('/v1', catalogRoutes(deps))
    .route('/v1', maintenanceRoutes(deps))
    .route('/v1', adviceRoutes(deps))
    .route('/v1/tokens', tokenRoutes(deps))
    .route('/v1/webhooks', webhookRoutes(deps))
    .route('/v1/schedules', scheduleRoutes(deps))
    .route('/v1/queue', queueRoutes(deps))
    .route('/v1/uploads', uploadRoutes(deps))
  api.notFound((c) =>
    c.json(answerOf(notFound(c.req.method, c.req.path), c.env.caller.requestId), 404),
  )
  api.onError((error, c) => {
    const { requestId } = c.env.caller
    const body = toErrorBody(knownError(error))
    if (body.code === 'internal') deps.onBug(error, requestId)
    return errorResponse(answerOf(error, requestId))
  })
  return api
}

export function notFound(method: string, path: string): OpenExecError {
  return new OpenExecError('not_found', `Cannot find ${method} ${path}`, {
    hint: 'The routes are listed in /v1/openapi.json',
  })
}

/** The one shape of everything that is refused. */
export function answerOf(error: unknown, requestId: string | undefined): { error: ErrorBody } {
  const body = toErrorBody(error instanceof Error ? knownError(error) : error)
  return { error: requestId === undefined ? body : { ...body, request_id: requestId } }
}

export function errorResponse(answer: { error: ErrorBody }): Response {
  const { code, details } = answer.error
  const headers = new Headers({ 'content-type': 'application/json' })
  const after = details?.['retry_after']
  if (typeof after === 'number') headers.set('retry-after', String(after))
  if (code === 'unauthenticated') headers.set('www-authenticate', 'Bearer')
  return new Response(JSON.stringify(answer), { status: ERROR_TABLE[code].status, headers })
}

/** What the framework refuses (a body that is no JSON) is the caller's mistake and no bug. */
function knownError(error: Error): Error {
  if (!(error instanceof HTTPException) || error.status >= 500) return error
  return new OpenExecError('bad_request', `Cannot read the request: ${error.message}`, {
    cause: error,
  })
}

export type Api = ReturnType<typeof createApi>
