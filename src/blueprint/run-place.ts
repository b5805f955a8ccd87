/** Where a run happens on the host: its repository, its directory for people, its free slot. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createRunDirectory, writeRunDocument } from '../artifacts/index.ts'
import { OpenExecError, type Run } from '../schema/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import type { EnvironmentDeps } from './environment.ts'
import type { FrozenRun } from './frozen-run.ts'

export interface RunPlace {
  source: Source
  /** Does not exist, unless it was made ahead. */
  slotDir: string
}

export async function openRunPlace(
  deps: EnvironmentDeps,
  {
    run,
    frozen,
    seen,
    isMade,
  }: { run: Run; frozen: FrozenRun; seen: Source | undefined; isMade: boolean },
  signal: AbortSignal,
): Promise<RunPlace> {
  const { workspaces, root } = deps
  const workDir = join(root, 'work')
  const slotDir = join(workDir, run.id)
  makeWorkDirectory(workDir)
  const directory = createRunDirectory(root, run.id)
  const [source] = await Promise.all([
    seen ?? openSource(workspaces, run, signal),
    writeRunDocument(directory, 'policy_snapshot.json', frozen.snapshot),
    // What an earlier attempt at this run may have left.
    isMade ? undefined : workspaces.remove(slotDir),
  ])
  return { source, slotDir }
}

function makeWorkDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new OpenExecError('state_unusable', `Cannot make directory "${directory}"`, {
      hint: 'Check the permissions and the free space of the state directory',
      cause,
    })
  }
}

/** Uncommitted changes were made a commit of the store when the run was submitted. */
export async function openSource(
  workspaces: Workspaces,
  run: Run,
  signal: AbortSignal,
): Promise<Source> {
  const { baseCommit, baseTree, request } = run
  if (baseCommit === undefined || baseTree === undefined)
    throw new Error(`Cannot open run "${run.id}": it has no base`)
  const { fork, includeDirty } = request
  const ref = fork === undefined ? (includeDirty ? undefined : baseCommit) : fork.anchor
  const source = await workspaces.openSource({
    path: request.repo,
    ref,
    includeDirty: false,
    signal,
  })
  return { ...source, commit: baseCommit, tree: baseTree }
}
