/**
 * Where a run stands: the recorded attempts folded through the reducer. The loop makes its next step
 * from the very same inputs, so a run that goes on after a crash goes on as it would have without.
 */
import type { GitOid, Run, Step } from '../schema/index.ts'
import { type Db, listArtifacts, listSteps } from '../state/index.ts'
import type { Plan } from './plan.ts'
import { type Command, type EngineState, initialState, type Input, reduce } from './reduce.ts'

export interface RecordedState {
  state: EngineState
  command: Command
  /** Tree the next stage begins with. */
  tree: GitOid
  /** Whether a fresh workspace does not hold that tree yet. */
  restore: boolean
  /** Checkpoints that were made. */
  checkpoints: number
}

interface Opened {
  baseTree: GitOid
  /** An attempt that is still open, and goes on. */
  goesOn: Pick<Step, 'id'> | undefined
}

/** An attempt that a crash cut short is entered again, and so is a stage that waited for a person. */
export function recordedState(
  db: Db,
  { run, plan, environment }: { run: Run; plan: Plan; environment: Opened },
): RecordedState {
  const { goesOn } = environment
  const steps = listSteps(db, run.id).filter(({ id }) => id !== goesOn?.id)
  const produced = producedBySteps(db, run)
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  let tree = environment.baseTree
  const goOn = () => {
    if (state.phase === 'awaiting_approval')
      ({ state, command } = reduce(plan, state, { type: 'start' }))
  }
  for (const step of steps) {
    goOn()
    tree = treeAfter(tree, step)
    ;({ state, command } = reduce(plan, state, inputOf(step, produced.get(step.id) ?? [])))
  }
  goOn()
  const checkpoints = steps.filter(({ commit }) => commit !== undefined).length
  // The files of one that goes on are as its command has them.
  const restore = goesOn === undefined && tree !== environment.baseTree
  return { state, command, tree, restore, checkpoints }
}

/** What the reducer is told of an attempt. One that never ended was cut short; a crash leaves nothing. */
export function inputOf(
  step: Pick<Step, 'verdict' | 'reason' | 'detail'>,
  artifacts: readonly string[],
): Input {
  const { verdict = 'error', reason = step.verdict === undefined ? 'recovered' : undefined } = step
  const produced = verdict === 'error' ? [] : artifacts
  return { type: 'stage_ended', verdict, reason, detail: step.detail, produced }
}

/** A tree is no base for what follows when its stage crashed, or has yet to happen. */
const WITHOUT_TREE: readonly Step['verdict'][] = [
  undefined,
  'error',
  'timed_out',
  'awaiting_approval',
]

export function treeAfter(
  before: GitOid,
  { verdict, tree }: Pick<Step, 'verdict' | 'tree'>,
): GitOid {
  return WITHOUT_TREE.includes(verdict) ? before : (tree ?? before)
}

function producedBySteps(db: Db, { id }: Run): Map<string, string[]> {
  const produced = new Map<string, string[]>()
  for (const { stepId, name } of listArtifacts(db, id)) {
    if (stepId === undefined) continue
    const names = produced.get(stepId)
    if (names === undefined) produced.set(stepId, [name])
    else names.push(name)
  }
  return produced
}
