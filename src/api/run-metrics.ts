/** What is counted about runs, as each of them ends. */
import { Counter, Histogram, type Registry } from 'prom-client'
import type { RunFigures } from '../runtime/index.ts'

const START_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600]

export function countRunsIn(registry: Registry): (figures: RunFigures) => void {
  const registers = [registry]
  const waits = new Histogram({
    name: 'openexec_run_start_seconds',
    help: 'From the submission of a run to its beginning',
    buckets: START_BUCKETS,
    registers,
  })
  const starts = new Histogram({
    name: 'openexec_sandbox_start_seconds',
    help: 'Until a sandbox was ready for its first command',
    buckets: START_BUCKETS,
    registers,
  })
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `openexec_${name}_total`, help, labelNames, registers })
  const ends = counter('runs_ended', 'Runs that ended here', ['status', 'reason'])
  const limits = counter('limits_reached', 'Runs that met a limit', ['limit'])
  const connections = counter('egress_connections', 'Connections of sandboxes', ['decision'])
  const bytes = counter('egress_bytes', 'Bytes through the network door', ['direction'])
  return ({ run, waited, sandboxStarts, egress, limits: met }) => {
    ends.inc({ status: run.status, reason: run.reason ?? 'none' })
    if (waited !== undefined) waits.observe(waited)
    for (const seconds of sandboxStarts) starts.observe(seconds)
    for (const limit of met) limits.inc({ limit })
    for (const { decision, ...sum } of egress) {
      connections.inc({ decision }, sum.connections)
      bytes.inc({ direction: 'in' }, sum.bytesIn)
      bytes.inc({ direction: 'out' }, sum.bytesOut)
    }
  }
}
