import { expect, test } from 'vitest'
import { testRun } from '../../test/helpers/state.ts'
import { metricsOf } from './metrics.ts'

test('ran() counts how a run ended, its waits and starts, what it reached and which limits it met', async () => {
  const metrics = metricsOf({
    counts: () => ({ waiting: 0, running: 0, capacity: 1 }),
    streams: () => 0,
    stored: () => ({ runs: {}, events: 0 }),
    background: () => ({ deliveries: {}, waiting: 0, ticks: {} }),
    refused: () => ({}),
    pool: () => ({}),
  })
  metrics.ran({
    run: testRun(1, { status: 'failed', reason: 'wall_limit' }),
    waited: 2.5,
    sandboxStarts: [0.25],
    limits: ['wall_limit'],
    egress: [
      { decision: 'allowed', connections: 3, bytesIn: 100, bytesOut: 20 },
      { decision: 'denied', connections: 1, bytesIn: 0, bytesOut: 0 },
    ],
  })
  const text = await metrics.text()
  for (const line of [
    'openexec_runs_ended_total{status="failed",reason="wall_limit"} 1',
    'openexec_run_start_seconds_sum 2.5',
    'openexec_sandbox_start_seconds_bucket{le="0.25"} 1',
    'openexec_limits_reached_total{limit="wall_limit"} 1',
    'openexec_egress_connections_total{decision="allowed"} 3',
    'openexec_egress_connections_total{decision="denied"} 1',
    'openexec_egress_bytes_total{direction="in"} 100',
  ])
    expect(text).toContain(line)
})
