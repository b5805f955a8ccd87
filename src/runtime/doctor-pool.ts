import type { Sandboxes } from '../sandbox/index.ts'
import type { DoctorCheck } from '../schema/index.ts'

/** Only a process that lives long has one. */
export function poolChecks({ sandboxes }: { sandboxes: Sandboxes }): DoctorCheck[] {
  const stats = sandboxes.poolStats()
  if (stats === undefined) return []
  const { hits, misses, unhealthy, failures, kinds, low, high } = stats
  const waiting = kinds.reduce((sum, kind) => sum + kind.waiting, 0)
  const evidence = `${waiting} sandboxes of ${kinds.length} kinds wait (marks ${low} and ${high}); ${hits} runs were given one, ${misses} not; ${unhealthy} did not answer, ${failures} did not start`
  if (failures === 0) return [{ name: 'pool', status: 'ok', evidence }]
  const remedy =
    'See the log for why they did not start; runs start sandboxes of their own meanwhile'
  return [{ name: 'pool', status: 'warning', evidence, remedy }]
}
