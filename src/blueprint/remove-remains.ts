import type { Sandboxes } from '../sandbox/index.ts'
import type { RunId } from '../schema/index.ts'
import { listSandboxes, removeSandbox, type State } from '../state/index.ts'

/** The sandbox of a process that died goes before another one of the same run comes. */
export async function removeRemains(
  { sandboxes, state }: { sandboxes: Sandboxes; state: State },
  id: RunId,
  signal: AbortSignal,
): Promise<void> {
  await sandboxes.reap(({ run }) => run !== id, { signal })
  for (const sandbox of listSandboxes(state.db))
    if (sandbox.runId === id) removeSandbox(state.db, sandbox.id)
}
