import { SandboxMode } from '../schema/index.ts'

/** From the narrowest to the widest. */
export const MODES: readonly SandboxMode[] = SandboxMode.options

export const MODE_MEANINGS: Readonly<Record<SandboxMode, string>> = {
  read_only: 'Read files and history; nothing in the workspace can change',
  workspace_write: 'Change files, lint and test; no commit',
  repo_write: "Change files and commit on the run's own branch",
  danger_full_access: 'As repo_write with a writable system, each command after an approval',
}

export function isWider(mode: SandboxMode, than: SandboxMode): boolean {
  return MODES.indexOf(mode) > MODES.indexOf(than)
}

/** `modes` from `from` on to the widest. */
export function modesFrom(from: SandboxMode): readonly SandboxMode[] {
  return MODES.slice(MODES.indexOf(from))
}
