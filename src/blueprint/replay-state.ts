/** Where a run stands while its record is gone through: the events folded through the reducer. */
import { z } from 'zod'
import {
  type Event,
  GitOid,
  hashJson,
  type JsonObject,
  Reason,
  type Run,
  Verdict,
} from '../schema/index.ts'
import type { Plan } from './plan.ts'
import { inputOf, treeAfter } from './recorded-state.ts'
import { initialState, reduce } from './reduce.ts'
import type { Expected } from './replay-expected.ts'

export interface ReplayState {
  /** The attempt that comes next. */
  expectStep(): Expected
  /** How the run ends, unless it is ended from outside. */
  expectEnd(event: Event): Expected | undefined
  take(event: Event): void
}

const Ended = z.object({
  verdict: Verdict,
  reason: Reason.optional(),
  detail: z.string().optional(),
  tree: GitOid.optional(),
})
/** Attempts that the last event names. */
const STAGES_SHOWN_MAX = 500

export function createReplayState(plan: Plan, run: Run): ReplayState {
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  let tree = run.baseTree
  let head: GitOid | undefined
  let made: string[] = []
  const stages: string[] = []

  function takeEnd({ stage, attempt, payload, volatile }: Event): void {
    const parsed = Ended.parse(payload)
    const detail = parsed.detail ?? z.string().optional().parse(volatile['detail'])
    const step = { ...parsed, detail }
    stages.push(`${stage}.${attempt}: ${step.verdict}`)
    if (tree !== undefined) tree = treeAfter(tree, step)
    if (step.tree !== undefined && step.verdict !== 'awaiting_approval') head = step.tree
    ;({ state, command } = reduce(plan, state, inputOf(step, made)))
    made = []
  }

  return {
    expectStep() {
      if (state.phase === 'awaiting_approval')
        ({ state, command } = reduce(plan, state, { type: 'start' }))
      if (command.type === 'end') return { payload: { ended: command.status }, whole: true }
      const { stage: id, attempt } = command
      const stage = plan.stages.find((each) => each.id === id)
      const inputs = { stage: id, attempt, base_tree: tree, inputs: stage?.inputs ?? [] }
      const payload: JsonObject = {
        base_tree: tree ?? null,
        inputs: [...(stage?.inputs ?? [])],
        input_hash: hashJson(inputs),
      }
      return { stage: id, attempt, payload, whole: true }
    },
    expectEnd({ payload }) {
      const shown: JsonObject = { tree: head ?? null, stages: stages.slice(-STAGES_SHOWN_MAX) }
      // A person, a deadline or a dead process may end a run at any moment.
      if (command.type !== 'end' || command.status !== payload['status'])
        return isFromOutside(payload) ? { payload: shown, whole: false } : ended(command)
      const { status, reason = null } = command
      return { payload: { ...shown, status, reason }, whole: true }
    },
    take(event) {
      const { name } = event.payload
      if (event.type === 'artifact_created' && typeof name === 'string') made.push(name)
      if (event.type === 'step_started') made = []
      if (event.type === 'step_completed') takeEnd(event)
    },
  }
}

const OUTSIDE: readonly unknown[] = [
  'cancelled',
  'wall_limit',
  'approval_expired',
  'internal',
  'orphaned',
  'engine_failed',
  'workspace_failed',
  'state_failed',
  'no_model_configured',
  'image_not_found',
  'not_configured',
  'confinement_weaker',
  'confinement_unsupported',
]

function isFromOutside({ reason }: JsonObject): boolean {
  return OUTSIDE.includes(reason)
}

function ended(command: ReturnType<typeof reduce>['command']): Expected {
  return command.type === 'end'
    ? { payload: { status: command.status }, whole: false }
    : { payload: { next_stage: command.stage }, whole: false }
}
