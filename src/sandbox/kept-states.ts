/** Which sandboxes still run on the engine. */
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'

const LIST_TIMEOUT_MS = 10_000

/** Ids of the running containers that the filters let pass. */
export async function runningContainers(
  engine: Engine,
  filters: Record<string, string[]>,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const call = {
    action: 'list sandboxes',
    missing: 'engine_failed',
    timeoutMs: LIST_TIMEOUT_MS,
    signal,
  } as const
  const found = await engineCall(call, (abortSignal) =>
    engine.docker.listContainers({ filters, abortSignal }),
  )
  return new Set(found.map(({ Id }) => Id))
}
