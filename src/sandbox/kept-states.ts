/** Which sandboxes without a process of their own still run on the engine. */
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import { keptFilter } from './labels.ts'

const LIST_TIMEOUT_MS = 10_000

/** Ids of their containers. */
export async function runningContainers(
  engine: Engine,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const call = {
    action: 'list sandboxes',
    missing: 'engine_failed',
    timeoutMs: LIST_TIMEOUT_MS,
    signal,
  } as const
  const found = await engineCall(call, (abortSignal) =>
    engine.docker.listContainers({ filters: { label: [keptFilter()] }, abortSignal }),
  )
  return new Set(found.map(({ Id }) => Id))
}
