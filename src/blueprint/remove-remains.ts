import type { Sandboxes } from '../sandbox/index.ts'
import type { RunId } from '../schema/index.ts'
import { listSandboxes, removeSandbox, type State } from '../state/index.ts'

/** The sandbox of a process that died goes before another one of the same run comes. */
export async function removeRemains(
  { sandboxes, state }: { sandboxes: Sandboxes; state: State },
  id: RunId,
  signal: AbortSignal,
): Promise<void> {
  const known = listSandboxes(state.db).filter(({ runId }) => runId === id)
  const names = new Set<string>(known.map((one) => one.id))
  // One that waited in a pool has no run in its labels.
  await sandboxes.reap(({ run, sandbox }) => run !== id && !names.has(sandbox), { signal })
  for (const sandbox of known) removeSandbox(state.db, sandbox.id)
}
