import type { NewEvent } from '../schema/index.ts'
import type { Source, Workspace } from '../workspace/index.ts'

/** Names listed in an event; a hostile repository may have thousands of the longest. */
const SUBMODULES_SHOWN = 50
const PATH_CHARS_MAX = 200

/** What a workspace was made of. */
export function createdEvent(workspace: Workspace, { submodules }: Source): NewEvent {
  const { baseCommit, baseTree, history, hiddenPaths, slotDir, files } = workspace
  return {
    type: 'workspace_created',
    payload: {
      base_commit: baseCommit,
      base_tree: baseTree,
      history,
      hidden_paths: hiddenPaths,
      submodules: submodules
        .slice(0, SUBMODULES_SHOWN)
        .map((path) => path.slice(0, PATH_CHARS_MAX)),
    },
    // How its files came there depends on the machine, what they are does not.
    volatile: {
      path: slotDir,
      files: files.kind,
      ...(files.kind === 'worktree' && { files_because: files.why }),
    },
  }
}
