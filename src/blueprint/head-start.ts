/**
 * The first sandbox of a run, started while git still looks at the repository: what a container
 * needs is known before that, and starting it takes longest. It stands on an empty slot at the run's
 * own place, like one of the pool, and is given to nobody before there is a run. Which confinement
 * comes first is a guess from the plan; a wrong one costs a start.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { compileConfinement, confinementDigest, stageMode } from '../policy/index.ts'
import type { NewId, RunId } from '../schema/index.ts'
import type { Sandbox, Sandboxes } from '../sandbox/index.ts'
import { slotUsage, type SlotLayout, type Workspaces } from '../workspace/index.ts'
import { forgetAhead, noteAhead } from './ahead-note.ts'
import type { FrozenRun } from './frozen-run.ts'

export interface HeadStart {
  id: string
  /** Of its confinement. */
  digest: string
  layout: SlotLayout
  user: { uid: number; gid: number }
  opening: Promise<Sandbox>
  /** Gives up one that is still being opened. */
  end(): void
  /** The run has begun, and answers for the slot. */
  taken(): void
  /** Removes the sandbox and its slot. */
  abandon(): Promise<void>
}

export interface HeadStartDeps {
  sandboxes: Sandboxes
  workspaces: Workspaces
  /** The state directory. */
  root: string
  newId: NewId
  /** Whom the workspace of a run belongs to inside. */
  userOf(id: RunId): { uid: number; gid: number }
}

type Begun = Pick<FrozenRun, 'plan' | 'policy'> & {
  run: RunId
  image: { name: string; id: string }
  objectDirs: readonly string[]
  acceptDegraded: boolean
}

/** Nothing for a plan whose first stage waits for a person, or whose mounts depend on the commit. */
export function startAhead(
  deps: HeadStartDeps,
  begun: Begun,
  runtimes: readonly string[],
): HeadStart | undefined {
  const { plan, policy, run, image } = begun
  const [first] = plan.stages
  if (first.type !== 'deterministic' || first.approvalRequired) return undefined
  if (policy.paths.deny_read.length > 0) return undefined
  if (deps.workspaces.sharesFiles(begun.objectDirs)) return undefined
  const confinement = firstConfinement(begun, runtimes)
  const user = deps.userOf(run)
  const layout = deps.workspaces.layoutFor(user.uid, begun.objectDirs)
  const slotDir = makeAhead(deps, run, user)
  const { workspace, git } = confinement
  const id = deps.newId('sbx')
  const giveUp = new AbortController()
  const opening = deps.sandboxes.open(
    {
      id,
      run,
      image: image.name,
      confinement,
      user,
      mounts: deps.workspaces.premadeMounts(slotDir, layout, { workspace, git }),
      roots: [slotDir],
      readOnlyRoots: layout.objectDirs,
      slot: slotDir,
      measure: workspace === 'read_write' ? (signal) => slotUsage(slotDir, signal) : undefined,
      acceptDegraded: begun.acceptDegraded,
      meanwhile: () => {},
    },
    { signal: giveUp.signal },
  )
  // Its failure is told to whoever asks for it.
  opening.catch(() => {})
  return {
    id,
    digest: confinementDigest(confinement),
    layout,
    user,
    opening,
    end: () => giveUp.abort(),
    taken: () => forgetAhead(deps.root, run),
    async abandon() {
      giveUp.abort()
      await opening.then(
        (sandbox) => sandbox.close(),
        () => {},
      )
      await deps.workspaces.remove(slotDir)
      forgetAhead(deps.root, run)
    },
  }
}

/** What the first stage runs in. */
export function firstConfinement(
  { plan, policy }: Pick<FrozenRun, 'plan' | 'policy'>,
  runtimes: readonly string[],
) {
  const [first] = plan.stages
  const mode = stageMode(policy, { blueprint: undefined, stage: first.sandbox ?? undefined })
  const network = first.network ?? undefined
  return compileConfinement(policy, mode, { runtimes, network, omitsDeniedPaths: true })
}

/** Before there is a run that owns the slot, the note of the process that made it does. */
function makeAhead(deps: HeadStartDeps, run: RunId, user: HeadStart['user']): string {
  const work = join(deps.root, 'work')
  mkdirSync(work, { recursive: true, mode: 0o700 })
  noteAhead(deps.root, run)
  const slotDir = join(work, run)
  try {
    deps.workspaces.premake(slotDir, user)
  } catch (error) {
    rmSync(slotDir, { recursive: true, force: true })
    forgetAhead(deps.root, run)
    throw error
  }
  return slotDir
}
