/** What Prometheus reads. Figures that others keep are asked for when somebody looks. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { RunFigures } from '../runtime/index.ts'
import { countRunsIn } from './run-metrics.ts'
import type { AnsweredRequest } from './service-app.ts'

export interface MetricSources {
  counts(): { waiting: number; running: number; capacity: number }
  streams(): number
  /** Runs by status, events and bytes of the database. */
  stored(): { runs: Record<string, number>; events: number }
  /** What the server does on its own. */
  background(): {
    deliveries: Record<string, number>
    waiting: number
    ticks: Record<string, number>
  }
  /** How often each limit refused a request. */
  refused(): Record<string, number>
  /** Figures of the warm pool by name, where there is one. */
  pool(): Record<string, number>
}

export interface Metrics {
  answered(request: AnsweredRequest): void
  /** A run that has ended here. */
  ran(figures: RunFigures): void
  text(): Promise<string>
}

export function metricsOf(sources: MetricSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'openexec_http_requests_total',
    help: 'Answered requests',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'openexec_http_request_seconds',
    help: 'Time until an answer began',
    labelNames: ['route'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  addGauges(registry, sources)
  return {
    answered: ({ method, route, status, ms }) => {
      requests.inc({
        method: METHODS.has(method) ? method : 'other',
        route,
        status: String(status),
      })
      durations.observe({ route }, ms / 1000)
    },
    ran: countRunsIn(registry),
    text: () => registry.metrics(),
  }
}

/** Whatever else a client writes there is no label. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE'])

function addGauges(registry: Registry, sources: MetricSources): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `openexec_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  gauge('queue_waiting', 'Runs that wait', () => sources.counts().waiting)
  gauge('queue_running', 'Runs that are executed here', () => sources.counts().running)
  gauge('queue_capacity', 'Runs that may be executed at once', () => sources.counts().capacity)
  gauge('streams_open', 'Streams over WebSockets', () => sources.streams())
  gauge('events_stored', 'Events of all runs that are kept', () => sources.stored().events)
  gauge('process_resident_bytes', 'Memory of the server', () => process.memoryUsage.rss())
  const labelled = (
    name: string,
    help: string,
    label: string,
    read: () => Record<string, number>,
  ) =>
    new Gauge({
      name: `openexec_${name}`,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset()
        for (const [key, value] of Object.entries(read())) this.set({ [label]: key }, value)
      },
    })
  labelled('runs_stored', 'Runs that are kept', 'status', () => sources.stored().runs)
  labelled('requests_refused', 'Requests refused by a limit of rates', 'limit', sources.refused)
  labelled(
    'webhook_attempts',
    'Attempts to send to webhooks',
    'outcome',
    () => sources.background().deliveries,
  )
  labelled('schedule_ticks', 'Ticks of schedules', 'outcome', () => sources.background().ticks)
  gauge('webhook_waiting', 'Deliveries that wait', () => sources.background().waiting)
  labelled('pool', 'The warm pool', 'figure', () => sources.pool())
}
