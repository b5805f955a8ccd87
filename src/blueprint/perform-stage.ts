/**
 * Performs one stage attempt: makes the context its action or agent may act through, and turns what
 * came of it into an outcome. It decides nothing: policy does at the gate, the checkpoint after it.
 */
import {
  type ActionContext,
  type ActionResult,
  askPolicy,
  executeAction,
  findAction,
  type GateRequest,
  type ProjectPlan,
  runCommandIn,
  type RunSandboxes,
  type RunTree,
  type Spend,
  type StageRecord,
} from '../actions/index.ts'
import { type Artifacts, runDirectory, writeRunDocument } from '../artifacts/index.ts'
import type { Cache } from '../cache/index.ts'
import type { Redactor, Timeline } from '../events/index.ts'
import type { Model } from '../model/index.ts'
import { evaluate, type Policy, stageMode } from '../policy/index.ts'
import {
  type Artifact,
  type Clock,
  type JsonObject,
  type NewEvent,
  type NewId,
  OpenExecError,
  type PolicyDecision,
  type Run,
  type SandboxMode,
  ToolCallId,
  type Verdict,
} from '../schema/index.ts'
import { completeToolCall, type Db, insertToolCall, listSteps, type State } from '../state/index.ts'
import type { StageAttempt } from './engine.ts'
import type { StageOutcome } from './outcome.ts'
import { performAgent } from './perform-agent.ts'
import type { Plan } from './plan.ts'

export interface StageDeps {
  run: Run
  plan: Plan
  /** Throws `no_model_configured`. */
  model(): Promise<Model>
  /** Monotonic `ms` */
  startedAt: number
  policy: Policy
  policyHash: string
  project: ProjectPlan
  tree: RunTree
  sandboxes: RunSandboxes
  state: State
  timeline: Timeline
  artifacts: Artifacts
  cache: Cache
  redactor: Redactor
  /** The state directory. */
  root: string
  now: Clock
  newId: NewId
}

/** What comes after the stage's own limit, for an action that does not end by itself. */
const STAGE_GRACE_MS = 5_000

export async function performStage(
  deps: StageDeps,
  attempt: StageAttempt,
  signal: AbortSignal,
): Promise<StageOutcome> {
  const { stage } = attempt
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(stageTimedOut(attempt)), stage.timeoutMs + STAGE_GRACE_MS)
  try {
    const scope = createScope(deps, attempt, AbortSignal.any([signal, limit.signal]))
    const refusal = await askBeforeStage(scope)
    const result = refusal ?? (await act(scope))
    return {
      verdict: result.status,
      reason: result.reason,
      detail: result.summary,
      artifacts: scope.made.map(({ name, sha256 }) => ({ name, sha256 })),
      tree: undefined,
      commit: undefined,
      spent: 'spent' in result ? result.spent : undefined,
    }
  } catch (error) {
    if (limit.signal.aborted && !signal.aborted) throw limit.signal.reason
    throw error
  } finally {
    clearTimeout(timer)
  }
}

export interface StageScope {
  deps: StageDeps
  attempt: StageAttempt
  mode: SandboxMode
  context: ActionContext
  /** Artifacts made in this attempt. */
  made: Artifact[]
}

async function act(scope: StageScope): Promise<AgentOutcome> {
  const { stage } = scope.attempt
  if (stage.type === 'agent') return await performAgent(scope, stage)
  return await recordedAction(scope, { name: stage.action, with: stage.with })
}

/** Every invocation of an action is a row, open while it runs. */
export async function recordedAction(
  { deps, attempt, context }: StageScope,
  action: { name: string; with: JsonObject },
): Promise<ActionResult> {
  const { state, now, newId, run } = deps
  const id = ToolCallId.parse(newId('call'))
  const call = { id, runId: run.id, stepId: attempt.step, kind: 'action' as const }
  insertToolCall(state.db, { ...call, name: action.name, args: action.with, startedAt: now() })
  let verdict: Verdict = 'error'
  try {
    const result = await executeAction(context, findAction(action.name), action.with)
    verdict = result.status
    return result
  } finally {
    completeToolCall(state.db, id, { verdict, endedAt: now() })
  }
}

/** The row of a tool call that has ended, beside its event. */
function insertToolCallOf(
  tx: Db,
  { run, attempt, event, deps }: { run: Run; attempt: StageAttempt; event: NewEvent; deps: StageDeps },
): void {
  const { payload } = event
  const id = ToolCallId.parse(deps.newId('call'))
  const endedAt = deps.now()
  insertToolCall(tx, {
    id,
    runId: run.id,
    stepId: attempt.step,
    kind: 'tool',
    name: String(payload['tool']),
    args: { args: payload['args'] ?? null },
    startedAt: endedAt,
  })
  const result = { failure: payload['failure'] ?? null }
  completeToolCall(tx, id, { verdict: payload['ok'] === true ? 'succeeded' : 'failed', endedAt, result })
}

/** An agent may also run out of its budget. */
export type AgentOutcome = Omit<ActionResult, 'status'> & {
  status: StageOutcome['verdict']
  spent?: Spend
}

function createScope(deps: StageDeps, attempt: StageAttempt, signal: AbortSignal): StageScope {
  const { run, policy, artifacts, state, timeline } = deps
  const { stage } = attempt
  const mode = stageMode(policy, { blueprint: undefined, stage: stage.sandbox ?? undefined })
  const made: Artifact[] = []
  const record = (event: NewEvent): void => {
    state.transact((tx) => {
      if (event.type === 'tool_call') insertToolCallOf(tx, { run, attempt, event, deps })
      timeline.append(tx, run.id, { stage: stage.id, attempt: attempt.attempt, ...event })
    })
  }
  const sandbox = () =>
    deps.sandboxes.get({ mode, network: stage.network ?? undefined, stage: stage.id }, signal)
  const context: ActionContext = {
    runId: run.id,
    task: run.request.task,
    stage: stage.id,
    attempt: attempt.attempt,
    mode,
    signal,
    command: run.request.command,
    inputs: run.request.inputs,
    project: deps.project,
    tree: deps.tree,
    timeoutMs: stage.timeoutMs,
    cache: deps.cache,
    policyHash: deps.policyHash,
    sandbox,
    runCommand: (request) =>
      runCommandIn(
        {
          ...{ state, artifacts, signal, sandbox, record, redactor: deps.redactor },
          runId: run.id,
          stepId: attempt.step,
          stage: stage.id,
          attempt: attempt.attempt,
          outputDir: runDirectory(deps.root, run.id).output,
          outputBytesMax: Math.min(policy.limits.output, stage.limits.max_output_bytes),
        },
        request,
      ),
    gate: async (request) => gate(deps, attempt, { request, mode, approval: undefined }),
    mayRead: (path) => mayRead(policy, { path, mode, stage: stage.id }),
    readArtifact: (name) => latestArtifact(deps, name),
    saveArtifact: async (draft) => {
      const artifact = await artifacts.save({ runId: run.id, stepId: attempt.step, ...draft })
      made.push(artifact)
      if (draft.type === 'context_pack') await showContextPack(deps, draft.content)
      const { name, type, sha256, size } = artifact
      record({ type: 'artifact_created', payload: { name, type }, volatile: { sha256, size } })
      return artifact
    },
    listArtifacts: () => artifacts.list(run.id),
    record,
    history: () => historyOf(deps),
  }
  return { deps, attempt, mode, context, made }
}

async function showContextPack({ root, run }: StageDeps, content: Uint8Array): Promise<void> {
  const pack: unknown = JSON.parse(new TextDecoder().decode(content))
  await writeRunDocument(runDirectory(root, run.id), 'context_pack.json', pack)
}

/** A stage that wants a person's word gets it before anything of it happens. */
async function askBeforeStage({ deps, attempt, mode }: StageScope): Promise<ActionResult | undefined> {
  const { stage } = attempt
  if (!stage.approvalRequired) return undefined
  const request: GateRequest = {
    capability: stage.type === 'agent' ? 'model_call' : 'repo_read',
    resource: { kind: 'name', name: stage.id },
    subject: `stage ${stage.id}`,
  }
  const approval = {
    by: 'blueprint:approval_required',
    reason: `The blueprint wants an approval before stage "${stage.id}"`,
  }
  const decision = gate(deps, attempt, { request, mode, approval })
  if (decision.decision === 'allow') return undefined
  const blocked = decision.decision === 'block'
  return {
    status: blocked ? 'blocked' : 'awaiting_approval',
    reason: blocked ? 'approval_rejected' : 'approval_required',
    summary: decision.reason,
    artifacts: [],
  }
}

interface Asked {
  request: GateRequest
  mode: SandboxMode
  approval: { by: string; reason: string } | undefined
}

function gate(deps: StageDeps, attempt: StageAttempt, asked: Asked): PolicyDecision {
  const { state, policy, policyHash, now, newId, run, timeline } = deps
  const { request, mode, approval } = asked
  return askPolicy(
    {
      ...{ state, policy, policyHash, now, newId },
      append: (tx, event) => void timeline.append(tx, run.id, event),
    },
    { ...request, mode, stage: attempt.stage.id },
    { runId: run.id, attempt: attempt.attempt, tree: attempt.baseTree, approval },
  )
}

function mayRead(
  policy: Policy,
  { path, mode, stage }: { path: string; mode: SandboxMode; stage: string },
): boolean {
  const resource = { kind: 'path', path, access: 'read' } as const
  const request = { capability: 'repo_read', resource, mode, stage, subject: 'context' } as const
  return evaluate(policy, request).decision === 'allow'
}

const ARTIFACT_BYTES_MAX = 16 * 1024 * 1024

async function latestArtifact({ artifacts, run }: StageDeps, name: string) {
  const artifact = artifacts.list(run.id).findLast((each) => each.name === name)
  if (artifact === undefined) return undefined
  return { artifact, content: await artifacts.read(artifact.id, { maxBytes: ARTIFACT_BYTES_MAX }) }
}

function historyOf({ state, run }: StageDeps): StageRecord[] {
  return listSteps(state.db, run.id).flatMap((step): StageRecord[] => {
    if (step.verdict === undefined) return []
    const { stage, attempt, verdict, reason, detail, startedAt, endedAt = startedAt } = step
    return [{ stage, attempt, verdict, reason, detail, durationMs: endedAt - startedAt }]
  })
}

function stageTimedOut({ stage }: StageAttempt): OpenExecError {
  return new OpenExecError(
    'timed_out',
    `Cannot finish stage "${stage.id}": it took longer than ${stage.timeoutMs} ms`,
    { hint: 'Give the stage a longer timeout in the blueprint' },
  )
}

