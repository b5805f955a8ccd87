/** The API behind its gate: one Hono app whose routes are exactly those of the route table. */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { traced } from '../events/index.ts'
import type { Caller, Tokens } from '../runtime/index.ts'
import { OpenExecError, RunId, type Tenant } from '../schema/index.ts'
import { type Api, answerOf, errorResponse, notFound } from './app.ts'
import { limitBody } from './body-limit.ts'
import { authenticate, authorize, checkPlace, requestIdOf } from './gate.ts'
import type { KnownHosts } from './hosts.ts'
import { heldUntilRead } from './held-until-read.ts'
import type { Rates } from './rates.ts'
import { remoteAddress } from './remote-address.ts'
import type { RouteRow } from './route-row.ts'
import { ROUTES } from './route-table.ts'

export interface ServiceAppDeps {
  tokens: Tokens
  known: KnownHosts
  rates: Rates
  /** Proxies whose word on where a request came from is believed. */
  proxies: readonly string[]
  /** The API as a tenant sees it. */
  apiOf(tenant: Tenant): Api
  /** Routes that only a server has, by `METHOD /path`. */
  own: ReadonlyMap<string, OwnRoute>
  /** Told of every answer. */
  onAnswer(seen: AnsweredRequest): void
  onBug(error: unknown, requestId: string | undefined): void
}

export type OwnRoute = (request: Request, caller: Caller) => Response | Promise<Response>

export interface AnsweredRequest {
  requestId: string
  /** Of a route that names a run. */
  runId: string | undefined
  method: string
  /** As the route table has it; what was asked for where nothing fits is not repeated. */
  route: string
  status: number
  ms: number
  actor: string | undefined
}

const NOBODY: Omit<Caller, 'requestId'> = { tenant: 'default', actor: 'public', scopes: [] }

interface ServerEnv {
  Bindings: HttpBindings
}

export function createServiceApp(deps: ServiceAppDeps): Hono<ServerEnv> {
  const app = new Hono<ServerEnv>()
  for (const row of ROUTES) app.on(row.method, row.path, (c) => answer(deps, c, row))
  app.notFound((c) => answer(deps, c, undefined))
  return app
}

async function answer(
  deps: ServiceAppDeps,
  c: Context<ServerEnv>,
  row: RouteRow | undefined,
): Promise<Response> {
  const started = performance.now()
  const header = (name: string) => c.req.header(name)
  const requestId = requestIdOf(header)
  const seen: Seen = { actor: undefined, headers: {} }
  const response = await traced(spanOf(c, row, requestId), async (add) => {
    const passed = await pass(deps, { c, row, requestId, seen }).catch((error: unknown) => {
      const body = answerOf(error, requestId)
      if (body.error.code === 'internal') deps.onBug(error, requestId)
      return errorResponse(body)
    })
    add({ 'http.response.status_code': passed.status })
    return passed
  })
  response.headers.set('x-request-id', requestId)
  for (const [name, value] of Object.entries(seen.headers)) response.headers.set(name, value)
  response.headers.set('x-content-type-options', 'nosniff')
  if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store')
  const ms = performance.now() - started
  const { method } = c.req
  const { status } = response
  const { actor } = seen
  const runId = runIdOf(c)
  deps.onAnswer({ requestId, runId, method, route: row?.path ?? 'none', status, ms, actor })
  // Nobody reads the body of an answer to HEAD.
  if (method === 'HEAD') void response.body?.cancel().catch(() => {})
  return response
}

interface Seen {
  actor: string | undefined
  /** Of the answer, whatever it is. */
  headers: Record<string, string>
}

/** Only a whole one is repeated, whatever else stands in the address. */
function runIdOf(c: Context): RunId | undefined {
  return RunId.safeParse(c.req.param('id')).data
}

/** A caller's own trace goes on here where it says which it is. */
function spanOf(c: Context, row: RouteRow | undefined, requestId: string) {
  const [traceparent, tracestate] = [c.req.header('traceparent'), c.req.header('tracestate')]
  return {
    name: `${row?.method ?? 'none'} ${row?.path ?? 'none'}`,
    facts: {
      'http.request.method': row?.method ?? 'none',
      'http.route': row?.path ?? 'none',
      'openexec.request.id': requestId,
      'openexec.run.id': runIdOf(c),
    },
    partOf: { headers: { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) } },
  }
}

interface Passing {
  c: Context<ServerEnv>
  row: RouteRow | undefined
  requestId: string
  seen: Seen
}

async function pass(deps: ServiceAppDeps, { c, row, requestId, seen }: Passing): Promise<Response> {
  const header = (name: string) => c.req.header(name)
  checkPlace(deps.known, header)
  if (row?.scope === 'public') return await answerRow(deps, c, row, { ...NOBODY, requestId })
  const caller = callerOf(deps, c, requestId)
  seen.actor = caller.actor
  seen.headers = deps.rates.spend(caller)
  if (row === undefined) throw notFound(c.req.method, c.req.path)
  authorize(row, caller)
  checkBodyType(row, header)
  const isStream = row.path.endsWith('/stream')
  const release = deps.rates.hold(isStream ? 'streams' : 'requests', caller.tenant)
  try {
    const response = await answerRow(deps, c, row, caller)
    return isStream ? heldUntilRead(response, release) : response
  } catch (error) {
    release()
    throw error
  } finally {
    if (!isStream) release()
  }
}

/** Whose token it is; a failure counts against the address it came from. */
function callerOf({ tokens, rates, proxies }: ServiceAppDeps, c: Context<ServerEnv>, id: string) {
  const header = (name: string) => c.req.header(name)
  try {
    return authenticate(tokens, header, id)
  } catch (error) {
    const peer = c.env.incoming.socket.remoteAddress
    const forwarded = header('x-forwarded-for')
    throw rates.failed(remoteAddress(peer, { forwarded, proxies }), error)
  }
}

async function answerRow(
  deps: ServiceAppDeps,
  c: Context<ServerEnv>,
  row: RouteRow,
  caller: Caller,
): Promise<Response> {
  const request = await limitBody(c.req.raw, row)
  const own = deps.own.get(`${row.method} ${row.path}`)
  if (own !== undefined) return await own(request, caller)
  return await deps.apiOf(caller.tenant).fetch(request, { caller })
}

/** A page can send a form or plain text anywhere without being asked; JSON it cannot. */
function checkBodyType({ body }: RouteRow, header: (name: string) => string | undefined): void {
  if (body === undefined) return
  const type = header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type === 'application/json') return
  throw new OpenExecError(
    'bad_request',
    'Cannot read the body: expected Content-Type application/json',
    { details: { field: 'Content-Type' } },
  )
}
