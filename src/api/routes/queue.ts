import { Hono } from 'hono'
import type { Queue, Runtime } from '../../runtime/index.ts'
import type { ApiEnv } from '../env.ts'

/** How busy the server is; in process nothing ever waits. */
export function queueRoutes({ counts }: { counts: Queue['counts'] | undefined; runtime: Runtime }) {
  return new Hono<ApiEnv>().get('/', (c) =>
    c.json(counts?.() ?? { waiting: 0, running: 0, capacity: 0 }),
  )
}
