/**
 * The public API as one Hono app. It validates, makes one call into the runtime and answers; the
 * command line speaks to it in process, a client over HTTP.
 */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Advisor, Catalog, Runtime } from '../runtime/index.ts'
import { ERROR_TABLE, OpenExecError, type Run, toErrorBody } from '../schema/index.ts'
import { adviceRoutes } from './routes/advice.ts'
import { catalogRoutes } from './routes/catalog.ts'
import { maintenanceRoutes } from './routes/maintenance.ts'
import { resultRoutes } from './routes/results.ts'
import { runRoutes } from './routes/runs.ts'

export interface ApiDeps {
  runtime: Runtime
  catalog: Catalog
  advisor: Advisor
  /** Sees to it that a queued or resumed run is executed; must not wait for its end. */
  launch(run: Run): void
  /** Told of failures that are bugs; the caller only reads "Internal error". */
  onBug(error: unknown): void
}

export function createApi(deps: ApiDeps) {
  const api = new Hono()
    .get('/v1/health', (c) => c.json({ ok: true }))
    .route('/v1/runs', runRoutes(deps))
    .route('/v1/runs', resultRoutes(deps))
    .route('/v1', catalogRoutes(deps))
    .route('/v1', maintenanceRoutes(deps))
    .route('/v1', adviceRoutes(deps))
  api.notFound((c) =>
    c.json({ code: 'not_found', message: `Cannot find ${c.req.method} ${c.req.path}` }, 404),
  )
  api.onError((error, c) => {
    const body = toErrorBody(knownError(error))
    if (body.code === 'internal') deps.onBug(error)
    return c.json(body, ERROR_TABLE[body.code].status)
  })
  return api
}

/** What the framework refuses (a body that is no JSON) is the caller's mistake and no bug. */
function knownError(error: Error): Error {
  if (!(error instanceof HTTPException) || error.status >= 500) return error
  return new OpenExecError('bad_request', `Cannot read the request: ${error.message}`, {
    cause: error,
  })
}

export type Api = ReturnType<typeof createApi>
