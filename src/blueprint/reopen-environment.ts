/**
 * The world of a run whose process died, as it stands: its workspace, and the sandbox in which its
 * command goes on. Either all of it is there and is taken over, or all of it goes and the attempt is
 * repeated from its base tree.
 */
import { join } from 'node:path'
import { createRunTree, NO_PROJECT, planProject } from '../actions/index.ts'
import { seenNames } from '../policy/index.ts'
import { type NewEvent, OpenExecError, type Run } from '../schema/index.ts'
import { type Db, listSandboxes, readEventsOfType, removeSandbox } from '../state/index.ts'
import { slotUsage } from '../workspace/index.ts'
import { type CutAttempt, findCutAttempt } from './cut-attempt.ts'
import type { Environment } from './engine.ts'
import { assemble, type EnvironmentDeps } from './environment.ts'
import type { FrozenRun } from './frozen-run.ts'
import { needsProject, readBaseText } from './plan-project.ts'
import { openSource } from './run-place.ts'
import { openRunSide } from './run-side.ts'

interface Reopening {
  run: Run
  frozen: FrozenRun
  cut: CutAttempt
}

/** `undefined` when there is nothing to go on with. Throws only what `signal` is aborted with. */
export async function reopenEnvironment(
  deps: EnvironmentDeps,
  { run, frozen }: { run: Run; frozen: FrozenRun },
  signal: AbortSignal,
): Promise<Environment | undefined> {
  if (run.startedAt === undefined) return undefined
  const cut = findCutAttempt(deps.state.db, run.id)
  if (cut === undefined) return undefined
  const slotDir = join(deps.root, 'work', run.id)
  try {
    return await reopen(deps, { run, frozen, cut }, { slotDir, signal })
  } catch {
    // Whatever it was, the attempt can still be repeated.
    if (!signal.aborted) return undefined
    await deps.workspaces.remove(slotDir)
    signal.throwIfAborted()
    return undefined
  }
}

async function reopen(
  deps: EnvironmentDeps,
  { run, frozen, cut }: Reopening,
  { slotDir, signal }: { slotDir: string; signal: AbortSignal },
): Promise<Environment> {
  const { workspaces, state } = deps
  const { step, commands, kept } = cut
  // What runs trusts the authority of the process that died, and this one cannot be it.
  if (seenNames(frozen.policy).length > 0) throw notAgain()
  const side = await openRunSide(deps, { run, frozen }, signal)
  const workspace = workspaces.open(slotDir)
  const source = await openSource(workspaces, run, signal)
  await removeOthers(deps, run, { kept: kept.session.id, signal })
  const sandbox = await deps.sandboxes.reattach(
    {
      session: kept.session,
      commands: commands.flatMap(({ channel, result }) => (result === undefined ? [channel] : [])),
      limits: frozen.policy.limits,
      slot: slotDir,
      measure: (look) => slotUsage(slotDir, look),
    },
    { signal },
  )
  const tree = createRunTree({ workspaces, workspace }, signal)
  try {
    tree.touch()
    const project = needsProject(frozen.plan)
      ? await planProject((path) => readBaseText(tree, path))
      : NO_PROJECT
    const append = (tx: Db, events: readonly NewEvent[]) =>
      void deps.timeline.append(tx, run.id, events)
    const commits = { last: lastCommit(state.db, run) }
    const { digest, stage } = kept
    const goesOn = { step, digest, stage, sandbox }
    const opened = { run, frozen, side, workspace, source, append, tree, project, commits, goesOn }
    return assemble(deps, { ...opened, early: undefined })
  } catch (error) {
    await Promise.allSettled([tree.close(), sandbox.close()])
    throw error
  }
}

function notAgain(): OpenExecError {
  return new OpenExecError(
    'sandbox_lost',
    'Cannot go on in a sandbox that trusts another authority',
  )
}

/** Sandboxes of the run in which nothing goes on. */
async function removeOthers(
  { sandboxes, state }: EnvironmentDeps,
  { id }: Run,
  { kept, signal }: { kept: string; signal: AbortSignal },
): Promise<void> {
  const others = listSandboxes(state.db).filter((one) => one.runId === id && one.id !== kept)
  if (others.length === 0) return
  const names = new Set<string>(others.map((one) => one.id))
  await sandboxes.reap(({ sandbox }) => !names.has(sandbox), { signal })
  for (const other of others) removeSandbox(state.db, other.id)
}

/** The commit of the sandbox's own that was told of last. */
function lastCommit(db: Db, { id }: Run): string | undefined {
  const told = readEventsOfType(db, id, 'notice').findLast(
    ({ payload }) => payload['kind'] === 'commits' && typeof payload['commit'] === 'string',
  )
  const commit = told?.payload['commit']
  return typeof commit === 'string' ? commit : undefined
}
