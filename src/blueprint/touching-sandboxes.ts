import type { OwnedTree, RunSandboxes } from '../actions/index.ts'
import type { Workspace } from '../workspace/index.ts'

/** A sandbox is given away when the files are there, and may change them from then on. */
export function touching(
  sandboxes: RunSandboxes,
  { tree, workspace }: { tree: Pick<OwnedTree, 'touch'>; workspace: Pick<Workspace, 'fill'> },
): RunSandboxes {
  return {
    async get(wish, signal) {
      tree.touch()
      const sandbox = await sandboxes.get(wish, signal)
      await workspace.fill()
      return sandbox
    },
    async own(wish, signal) {
      tree.touch()
      const sandbox = await sandboxes.own(wish, signal)
      await workspace.fill()
      return sandbox
    },
    reset: () => sandboxes.reset(),
  }
}
