/** What the sandbox has to mount for git to work inside and nowhere else. */
import fs from 'node:fs'
import path from 'node:path'
import { GIT_TARGET, objectsTarget, WORKSPACE_TARGET } from './private-gitdir.ts'
import type { Slot, WorkspaceRecord } from './slot.ts'

export interface WorkspaceMount {
  /** Absolute path of the host; no component is a symbolic link. */
  source: string
  /** Absolute path inside. */
  target: string
  readOnly: boolean
  /** An overlay mounted on the source; whoever mounts it on has to see that one. */
  overlay?: boolean
}

/** What the mounts of a workspace depend on besides its slot. */
export type SlotLayout = Pick<WorkspaceRecord, 'history' | 'seed'> & {
  objectDirs: readonly string[]
}

/** Deeper targets come after the ones they lie in. */
export function workspaceMounts(
  slot: Slot,
  record: SlotLayout,
  access: { workspace: 'read_only' | 'read_write'; git: 'read_only' | 'private' },
): WorkspaceMount[] {
  const tree = {
    source: slot.tree,
    target: WORKSPACE_TARGET,
    readOnly: access.workspace === 'read_only',
  }
  const mounts: WorkspaceMount[] = [
    record.seed === undefined ? tree : { ...tree, overlay: true },
    { source: slot.git, target: GIT_TARGET, readOnly: access.git === 'read_only' },
  ]
  // A pinned pointer: a stage cannot lead git of a later stage to a directory of its own.
  if (access.git === 'read_only') {
    const source = path.join(slot.index, 'git-file')
    mounts.push({ source, target: `${WORKSPACE_TARGET}/.git`, readOnly: true })
  }
  if (record.history !== 'full') return mounts
  for (const [position, source] of record.objectDirs.entries()) {
    const target = objectsTarget(position)
    mounts.push({ source, target, readOnly: true })
    // Where the repository borrows from by host paths, git inside has its own list.
    if (fs.existsSync(path.join(source, 'info/alternates'))) {
      const empty = path.join(slot.index, 'no-alternates')
      mounts.push({ source: empty, target: `${target}/info/alternates`, readOnly: true })
    }
  }
  return mounts
}
