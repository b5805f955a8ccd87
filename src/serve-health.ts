/** What a server tells of itself: its pool, its version. */
import { readFileSync } from 'node:fs'
import type { Program } from './program.ts'

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
