/** What a server tells of itself: whether it can take runs, its pool, its version. */
import { readFileSync } from 'node:fs'
import type { Program } from './program.ts'
import type { Service } from './runtime/index.ts'
import { OpenExecError } from './schema/index.ts'

/** How long the engine may take to answer, in `ms`. */
const READY_MS = 3_000

/** Throws `unavailable` with what is missing. */
export async function readiness({ sandboxes }: Program, { queue }: Service): Promise<void> {
  if (queue.isStopped())
    throw new OpenExecError('unavailable', 'Cannot take runs: the server is ending')
  try {
    await sandboxes.facts({ signal: AbortSignal.timeout(READY_MS) })
  } catch (cause) {
    throw new OpenExecError(
      'unavailable',
      'Cannot take runs: the container engine does not answer',
      {
        hint: 'Run `openexec doctor` on the machine of the server',
        cause,
      },
    )
  }
}

/** Counters of the pool by name; none without one. */
export function poolFigures({ sandboxes }: Program): Record<string, number> {
  const stats = sandboxes.poolStats()
  if (stats === undefined) return {}
  const { hits, misses, unhealthy, opened, failures, kinds } = stats
  const waiting = kinds.reduce((sum, kind) => sum + kind.waiting, 0)
  return { hits, misses, unhealthy, opened, failures, waiting }
}

export function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return String(Reflect.get(Object(parsed), 'version'))
}
