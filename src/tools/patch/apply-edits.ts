/**
 * Carries a plan out through the sandbox. Deletions come first, so that a directory can take the
 * place of a file. If anything fails, what was done is undone, last first.
 */
import type { Sandbox } from '../../sandbox/index.ts'
import { OpenExecError } from '../../schema/index.ts'
import { workspacePath } from '../repo-path.ts'
import type { EditPlan, FileState, PlannedFile } from './plan-edits.ts'

/** Bytes of a file that can be edited. */
const EDITED_BYTES_MAX = 16 * 1024 * 1024

/** Throws what the sandbox throws; the files are then as before, or `details.left` names the rest. */
export async function applyEdits(plan: EditPlan, sandbox: Sandbox): Promise<void> {
  const done: { path: string; before: PlannedFile | undefined }[] = []
  try {
    for (const { path, before } of plan.deletes) {
      done.push({ path, before })
      await sandbox.removeFile(workspacePath(path))
    }
    for (const { path, file, before } of plan.writes) {
      done.push({ path, before })
      await sandbox.writeFile(workspacePath(path), file.content, { mode: file.mode })
    }
  } catch (error) {
    const left = await undo(done, sandbox)
    if (left.length === 0) throw error
    throw new OpenExecError('sandbox_failed', `Cannot undo the edit of "${left.join('", "')}"`, {
      details: { left },
      cause: error,
    })
  }
}

/** What stands at a path of the workspace, for `planEdits()`. */
export async function readWorkspaceFile(sandbox: Sandbox, path: string): Promise<FileState> {
  const absolute = workspacePath(path)
  const stat = await sandbox.stat(absolute)
  if (stat === undefined) return { kind: 'missing' }
  if (stat.type !== 'file') return { kind: 'other', what: NAMES[stat.type] }
  if (stat.size > EDITED_BYTES_MAX)
    return { kind: 'other', what: `a file of ${stat.size} bytes, more than ${EDITED_BYTES_MAX}` }
  const content = await sandbox.readFile(absolute, { maxBytes: EDITED_BYTES_MAX })
  return { kind: 'file', content, mode: stat.mode & 0o777 }
}

const NAMES = { directory: 'a directory', symlink: 'a symbolic link', other: 'a special file' }

async function undo(
  done: readonly { path: string; before: PlannedFile | undefined }[],
  sandbox: Sandbox,
): Promise<string[]> {
  const left: string[] = []
  for (const { path, before } of done.toReversed()) {
    const absolute = workspacePath(path)
    try {
      if (before !== undefined)
        await sandbox.writeFile(absolute, before.content, { mode: before.mode })
      else if ((await sandbox.stat(absolute)) !== undefined) await sandbox.removeFile(absolute)
    } catch {
      left.push(path)
    }
  }
  return left
}
