/**
 * What only a program of the same user on the same machine may ask: sandboxes without a run belong
 * to a state directory and to no tenant, so no server has these routes.
 */
import { Hono } from 'hono'
import type { Caller, Direct } from '../runtime/index.ts'
import { toErrorBody } from '../schema/index.ts'
import { answerOf, type Api, errorResponse } from './app.ts'
import { sandboxRoutes } from './routes/sandboxes.ts'

export interface LocalApiDeps {
  direct: Direct
  /** Told of failures that are bugs; the caller only reads "Internal error". */
  onBug(error: unknown): void
}

const PREFIX = '/v1/sandboxes'

/** Answers by these routes what is for them, and by the API what is not. */
export function localFetch(
  api: Api,
  deps: LocalApiDeps,
): (request: Request, caller: Caller) => Response | Promise<Response> {
  const local = createLocalApi(deps)
  return (request, caller) =>
    new URL(request.url).pathname.startsWith(PREFIX)
      ? local.fetch(request)
      : api.fetch(request, { caller })
}

function createLocalApi({ direct, onBug }: LocalApiDeps) {
  const api = new Hono().route(PREFIX, sandboxRoutes({ direct }))
  api.onError((error) => {
    if (toErrorBody(error).code === 'internal') onBug(error)
    return errorResponse(answerOf(error, undefined))
  })
  return api
}

export type LocalApi = ReturnType<typeof createLocalApi>
