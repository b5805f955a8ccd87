/** What an action or agent of one stage attempt may act through; everything else is out of its reach. */
import {
  type ActionContext,
  type ArtifactDraft,
  askPolicy,
  editedResource,
  findAction,
  type GateRequest,
  type ProjectPlan,
  runCommandIn,
  type RunSandboxes,
  type RunTree,
} from '../actions/index.ts'
import { type Artifacts, runDirectory, writeRunDocument } from '../artifacts/index.ts'
import type { Cache } from '../cache/index.ts'
import type { ContextPacks } from '../context/index.ts'
import type { Redactor, Timeline } from '../events/index.ts'
import type { Model } from '../model/index.ts'
import { evaluate, type Policy, stageMode } from '../policy/index.ts'
import {
  type Artifact,
  type Clock,
  type JsonObject,
  type NewEvent,
  type NewId,
  type PinnedServer,
  type PolicyDecision,
  type Run,
  type SandboxMode,
  type Skill,
} from '../schema/index.ts'
import type { Db, State } from '../state/index.ts'
import { historyOf } from './stage-history.ts'
import type { StageAttempt } from './engine.ts'
import type { Plan } from './plan.ts'
import { decidedBefore } from './recorded-decisions.ts'
import { type Append, appender } from './stage-events.ts'

export interface StageDeps {
  run: Run
  plan: Plan
  /** Throws `no_model_configured`. */
  model(): Promise<Model>
  /** Monotonic `ms` */
  startedAt: number
  policy: Policy
  policyHash: string
  skills: readonly Skill[]
  mcp: readonly PinnedServer[]
  project: ProjectPlan
  tree: RunTree
  sandboxes: RunSandboxes
  state: State
  timeline: Timeline
  artifacts: Artifacts
  cache: Cache
  packs: ContextPacks
  redactor: Redactor
  /** The state directory. */
  root: string
  now: Clock
  newId: NewId
}

export interface StageScope {
  deps: StageDeps
  attempt: StageAttempt
  context: ActionContext
}

export function createScope(
  deps: StageDeps,
  attempt: StageAttempt,
  signal: AbortSignal,
): StageScope {
  const { run, policy, artifacts, state } = deps
  const { stage } = attempt
  const mode = modeOf(policy, attempt)
  const append = appender(deps, attempt)
  const gateAll = (requests: readonly GateRequest[]) =>
    decidedBefore(state.db, { run, attempt, requests }) ?? gate(deps, attempt, { requests, mode })
  const network = stage.network ?? undefined
  const sandbox = () => deps.sandboxes.get({ mode, network, stage: stage.id }, signal)
  const context: ActionContext = {
    runId: run.id,
    task: run.request.task,
    stage: stage.id,
    attempt: attempt.attempt,
    mode,
    signal,
    goesOn: attempt.goesOnSince !== undefined,
    sandbox,
    serverSandbox: (wish) => deps.sandboxes.own({ ...wish, stage: stage.id }, signal),
    command: run.request.command,
    inputs: run.request.inputs,
    project: deps.project,
    tree: deps.tree,
    timeoutMs: stage.timeoutMs,
    cache: deps.cache,
    packs: deps.packs,
    policyHash: deps.policyHash,
    runCommand: commandRunner(deps, attempt, { signal, sandbox, append }),
    commandFor: (argv) => editedCommand(deps, attempt, { argv, mode }),
    gate: async (request) => onlyOne(gateAll([request])),
    gateAll: async (requests) => gateAll(requests),
    mayRead: (path) =>
      mayRead(policy, {
        path,
        mode,
        stage: stage.id,
      }),
    readArtifact: (name) => latestArtifact(deps, name),
    saveArtifact: (draft, note = {}) =>
      saveArtifact(deps, attempt, {
        draft,
        note,
        append,
      }),
    listArtifacts: () => artifacts.list(run.id),
    record: (event) => state.transact((tx) => append(tx, [event])),
    history: () => historyOf(deps),
  }
  return { deps, attempt, context }
}

/** The mode was settled when the run was submitted; it is part of the frozen plan. */
export function modeOf(policy: Policy, { stage }: StageAttempt): SandboxMode {
  return stageMode(policy, { blueprint: undefined, stage: stage.sandbox ?? undefined })
}

function commandRunner(
  deps: StageDeps,
  { step, stage, attempt }: StageAttempt,
  at: Pick<ActionContext, 'signal' | 'sandbox'> & { append: Append },
): ActionContext['runCommand'] {
  const { state, artifacts, redactor, run, policy } = deps
  const nameOf = uniqueNames()
  const means = {
    ...at,
    state,
    artifacts,
    redactor,
    runId: run.id,
    stepId: step,
    stage: stage.id,
    attempt,
    now: deps.now,
    keeps: stage.type === 'deterministic' && findAction(stage.action).goesOn,
    outputDir: runDirectory(deps.root, run.id).output,
    outputBytesMax: Math.min(policy.limits.output, stage.limits.max_output_bytes),
  }
  return (request) => runCommandIn(means, { ...request, name: nameOf(request.name) })
}

/** `test`, `test-2`, `test-3`: an agent may run the same action more than once in an attempt. */
function uniqueNames(): (name: string) => string {
  const counts = new Map<string, number>()
  return (name) => {
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    return count === 1 ? name : `${name}-${count}`
  }
}

function gate(
  deps: StageDeps,
  attempt: StageAttempt,
  { requests, mode }: { requests: readonly GateRequest[]; mode: SandboxMode },
): PolicyDecision[] {
  const { state, policy, policyHash, now, newId, run, timeline } = deps
  const append = (tx: Db, events: readonly NewEvent[]) => void timeline.append(tx, run.id, events)
  const stage = attempt.stage.id
  return askPolicy(
    { state, policy, policyHash, now, newId, append },
    requests.map(({ approval, ...request }) => ({
      request: { ...request, mode, stage },
      approval,
    })),
    { runId: run.id, attempt: attempt.attempt, tree: attempt.baseTree },
  )
}

/** Asked for under the name of the one action whose command is the caller's. */
function editedCommand(
  { state, run, policyHash }: StageDeps,
  { stage, baseTree: tree }: StageAttempt,
  { argv, mode }: { argv: readonly string[]; mode: SandboxMode },
): readonly string[] {
  const resource = { kind: 'argv', argv: [...argv] } as const
  const who = { capability: 'shell_exec', subject: 'run_command' } as const
  const edited = editedResource(
    state.db,
    { ...who, resource, mode, stage: stage.id },
    { policyHash, runId: run.id, tree },
  )
  return edited.kind === 'argv' ? edited.argv : argv
}

function onlyOne(decisions: readonly PolicyDecision[]): PolicyDecision {
  const [decision] = decisions
  if (decision === undefined) throw new Error('Cannot decide: policy gave no answer')
  return decision
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

/** Bytes first, then row and event in one transaction. */
async function saveArtifact(
  { artifacts, state, run, root, redactor }: StageDeps,
  { step, goesOnSince }: StageAttempt,
  { draft, note, append }: { draft: ArtifactDraft; note: JsonObject; append: Append },
): Promise<Artifact> {
  const { name, type, mediaType } = draft
  if (goesOnSince !== undefined) {
    const saved = artifacts.list(run.id).find((one) => one.stepId === step && one.name === name)
    if (saved !== undefined) return saved
  }
  // A patch that was changed would be another patch.
  const content = type === 'patch' ? draft.content : redactor.bytes(draft.content)
  const blob = await artifacts.put(content)
  const { sha256, size } = blob
  const volatile = { sha256, size, ...note }
  const artifact = state.transact((tx) => {
    append(tx, [{ type: 'artifact_created', payload: { name, type }, volatile }])
    return artifacts.record(tx, { runId: run.id, stepId: step, name, type, mediaType, blob })
  })
  if (type === 'context_pack') {
    const pack: unknown = JSON.parse(new TextDecoder().decode(content))
    await writeRunDocument(runDirectory(root, run.id), 'context_pack.json', pack)
  }
  return artifact
}
