/**
 * The contract of a deterministic action: resolve inputs → validate → ask policy → execute →
 * persist outputs → emit events → typed result. `executeAction()` is the only way to run one.
 */
import type { z } from 'zod'
import type {
  Artifact,
  ArtifactType,
  Capability,
  ExecResult,
  GitOid,
  JsonObject,
  NewEvent,
  PolicyDecision,
  Reason,
  Resource,
  RunId,
  SandboxMode,
  TIMEOUT_CLASSES,
} from '../schema/index.ts'
import type { Cache } from '../cache/index.ts'
import type { ContextPacks } from '../context/index.ts'
import type { InteractiveSandbox, Sandbox } from '../sandbox/index.ts'
import type { ProjectPlan } from './project-plan.ts'

/** What an action or tool asks before it acts; stage and mode are added by the gate. */
export interface GateRequest {
  capability: Capability
  resource: Resource
  subject: string
  /** Why a person is asked although policy would allow it. */
  approval?: { by: string; reason: string }
}

/** One path that differs between two trees, as bytes turned into text without loss for UTF-8 names. */
export interface ChangedFile {
  path: string
  status: 'added' | 'modified' | 'deleted' | 'renamed'
}

/** The workspace of the run as actions see it; all host git stays behind it. */
export interface RunTree {
  baseCommit: GitOid
  baseTree: GitOid
  /** Snapshots the tree as it is now; cheap when nothing changed. */
  snapshot(): Promise<GitOid>
  changes(tree: GitOid): Promise<ChangedFile[]>
  /** Patch from the base to `tree`, applicable by `git apply`. Throws `workspace_failed` over the cap. */
  patch(tree: GitOid): Promise<Uint8Array>
  stat(tree: GitOid): Promise<{ files: number; insertions: number; deletions: number }>
  /** Files of the base tree, in path order. */
  baseFiles(): Promise<{ path: string; oid: string; size: number }[]>
  readBlob(oid: string, maxBytes: number): Promise<Uint8Array>
  commit(tree: GitOid, message: string): Promise<GitOid>
  log(limit: number): Promise<string>
  /** Paths that each of the last commits changed, newest first. */
  recentChanges(limit: number): Promise<readonly { paths: readonly string[] }[]>
}

export interface CommandRequest {
  argv: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
  timeoutMs: number
  /** Names the spool; unique in the stage attempt. */
  name: string
}

/** A command that ran to an end, with its output kept as artifacts. */
export interface CommandOutcome {
  result: ExecResult
  /** False when the image has no such program, or it cannot be executed. */
  startable: boolean
  stdout: KeptOutput
  stderr: KeptOutput
}

export interface KeptOutput {
  sha256: string
  /** Bytes the command wrote. */
  bytes: number
  truncated: boolean
  /** Last bytes as text, at most 16 KiB. */
  tail: string
  /** Everything kept, at most `maxBytes` from the start. */
  read(maxBytes: number): Promise<Uint8Array>
}

export interface ActionContext {
  runId: RunId
  task: string
  stage: string
  attempt: number
  mode: SandboxMode
  signal: AbortSignal
  /** An earlier process has begun this very attempt: what comes before its command has happened. */
  goesOn: boolean
  /** argv of `openexec run -- …`; only `run_command` reads it. */
  command: readonly string[] | undefined
  /** `--input k=v` of the caller. */
  inputs: Readonly<Record<string, string>>
  project: ProjectPlan
  tree: RunTree
  timeoutMs: number
  cache: Cache
  packs: ContextPacks
  policyHash: string
  /** Opened on first use, confined as this stage's mode says. */
  sandbox(): Promise<Sandbox>
  /** One for a single program alone, with a network of its own; it goes with the stage. */
  serverSandbox(wish: {
    name: string
    mode: SandboxMode
    network: readonly string[]
  }): Promise<InteractiveSandbox>
  /** Runs argv in the sandbox with its output spooled and both ends in the timeline. */
  runCommand(request: CommandRequest): Promise<CommandOutcome>
  gate(request: GateRequest): Promise<PolicyDecision>
  /** The command that is to run in the place of `argv`: another one if a person has edited it. */
  commandFor(argv: readonly string[]): readonly string[]
  /** What one effect needs, as a whole: approvals are used up only when all of it is allowed. */
  gateAll(requests: readonly GateRequest[]): Promise<PolicyDecision[]>
  /** Whether path rules let this file of the repository be read; asks nothing and records nothing. */
  mayRead(path: string): boolean
  /** Latest artifact of this name made by the run; `undefined` when there is none. */
  readArtifact(name: string): Promise<{ artifact: Artifact; content: Uint8Array } | undefined>
  /** `note` is told beside the event, outside of what a re-execution must repeat. */
  saveArtifact(draft: ArtifactDraft, note?: JsonObject): Promise<Artifact>
  listArtifacts(): Artifact[]
  record(event: NewEvent): void
  /** Verdicts of the stages so far, in order. */
  history(): readonly StageRecord[]
}

export interface StageRecord {
  stage: string
  attempt: number
  verdict: string
  reason: string | undefined
  detail: string | undefined
  durationMs: number
}

export interface ArtifactDraft {
  name: string
  type: ArtifactType
  mediaType: string
  content: Uint8Array
}

export interface ActionResult {
  status:
    | 'succeeded'
    | 'failed'
    | 'skipped'
    | 'error'
    | 'timed_out'
    | 'blocked'
    | 'awaiting_approval'
  reason: Reason | undefined
  /** One or two sentences for a person. */
  summary: string
  artifacts: { name: string; artifact_id: string }[]
}

export interface Action<With extends z.ZodType = z.ZodType> {
  name: string
  /** Part of cache keys and of the policy snapshot; raised when the meaning changes. */
  version: number
  /** Artifact names it can use; a stage may give any subset. */
  inputs: readonly string[]
  outputs: readonly string[]
  with: With
  timeout: keyof typeof TIMEOUT_CLASSES
  idempotent: boolean
  /** Whether an attempt of it goes on under another process while its command still runs. */
  goesOn: boolean
  /** Whether `failed` is a possible verdict, so that a failure edge makes sense. */
  canFail: boolean
  /** Whether `skipped` is a possible verdict. */
  canSkip: boolean
  /** What policy must allow before `execute()`; derived from the request, never from a model. */
  needs(context: ActionContext, request: z.output<With>): GateRequest[]
  execute(context: ActionContext, request: z.output<With>): Promise<ActionResult>
}

/** Gives `execute()` the type of its own `with`. */
export function defineAction<With extends z.ZodType>(action: Action<With>): Action {
  // The registry holds actions of every request type; executeAction() parses before it calls.
  return action as unknown as Action
}

/** Saves a JSON artifact and names it in the result. */
export async function saveJson(
  context: ActionContext,
  draft: { name: string; type: ArtifactType; value: JsonObject },
): Promise<{ name: string; artifact_id: string }> {
  const { name, type, value } = draft
  const content = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
  const artifact = await context.saveArtifact({
    name,
    type,
    mediaType: 'application/json',
    content,
  })
  return { name, artifact_id: artifact.id }
}
