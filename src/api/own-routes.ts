import { answerOf, errorResponse } from './app.ts'
import { refuseHostileJson } from './hostile-json.ts'
import type { Metrics } from './metrics.ts'
import type { OwnRoute } from './service-app.ts'
import { type Tickets, TicketRequest } from './stream/tickets.ts'
import { OpenExecError } from '../schema/index.ts'

interface OwnDeps {
  document: unknown
  metrics: Metrics
  tickets: Tickets
  /** Throws `unavailable` with what is missing. */
  ready(): Promise<void>
}

/** What only a server answers: whether it is well, what it counts, what it can, and tickets. */
export function ownRoutes({ document, metrics, tickets, ready }: OwnDeps): Map<string, OwnRoute> {
  const health: OwnRoute = () => Response.json({ ok: true })
  const readyRoute: OwnRoute = async (_request, { requestId }) => {
    try {
      await ready()
      return Response.json({ ready: true })
    } catch (error) {
      return errorResponse(answerOf(error, requestId))
    }
  }
  const metricsRoute: OwnRoute = async () =>
    new Response(await metrics.text(), { headers: { 'content-type': 'text/plain; version=0.0.4' } })
  return new Map<string, OwnRoute>([
    ['GET /health', health],
    ['GET /v1/health', health],
    ['GET /ready', readyRoute],
    ['GET /v1/ready', readyRoute],
    ['GET /metrics', metricsRoute],
    ['GET /v1/metrics', metricsRoute],
    ['GET /v1/openapi.json', () => Response.json(document)],
    [
      'POST /v1/stream-tickets',
      async (request, caller) => {
        const wanted = await ticketRequest(request)
        return Response.json(tickets.issue(caller, wanted.run), { status: 201 })
      },
    ],
  ])
}

async function ticketRequest(request: Request): Promise<TicketRequest> {
  try {
    const body: unknown = await request.json()
    refuseHostileJson(body)
    return TicketRequest.parse(body)
  } catch (cause) {
    throw new OpenExecError('bad_request', 'Cannot read the body: expected {} or {"run": ID}', {
      cause,
    })
  }
}
