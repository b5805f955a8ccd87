import { z } from 'zod'
import { GitOid, RunId, SessionId, Sha256, StepId, TaskId, Tenant } from './ids.ts'
import { CassetteMode } from './model-choice.ts'
import { Reason } from './reason.ts'

export const RunStatus = z.enum([
  'queued',
  'running',
  'paused',
  'awaiting_approval',
  'succeeded',
  'failed',
  'cancelled',
  'budget_exceeded',
])
export type RunStatus = z.infer<typeof RunStatus>

/** Statuses from which no run moves on. */
export const TERMINAL_STATUSES = ['succeeded', 'failed', 'cancelled', 'budget_exceeded'] as const

/** How one stage attempt ended. `failed` is a finding; `error` is a crash. */
export const Verdict = z.enum([
  'succeeded',
  'failed',
  'error',
  'timed_out',
  'skipped',
  'blocked',
  'awaiting_approval',
  'cancelled',
  'budget_exceeded',
])
export type Verdict = z.infer<typeof Verdict>

export const Session = z.object({
  id: SessionId,
  tenant: Tenant,
  mode: z.enum(['chat', 'task']),
  createdAt: z.number().int(),
})
export type Session = z.infer<typeof Session>

/** What is to be done, before anything decides how. */
export const Task = z.object({
  id: TaskId,
  tenant: Tenant,
  sessionId: SessionId,
  description: z.string(),
  /** Absolute path of the repository. */
  repo: z.string(),
  toolset: z.string().optional(),
  createdAt: z.number().int(),
})
export type Task = z.infer<typeof Task>

/** The checkpoint of another run that a run begins with; set by the runtime, never by a client. */
export const ForkBase = z.object({
  run: RunId,
  /** Stage after which it was taken; the last one unless named. */
  stage: z.string().optional(),
  commit: GitOid,
  tree: GitOid,
  /** Commit of the repository that all of it stands on; HEAD where that is a checkout as it was. */
  anchor: GitOid.optional(),
  /** Tree of the user's that changes are told against. */
  originTree: GitOid,
})
export type ForkBase = z.infer<typeof ForkBase>

/** Where a repository comes from that has no checkout here; set by the runtime. */
const RunOrigin = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('url'),
    url: z.string(),
    /** Branch, tag or commit as it was asked for. */
    ref: z.string().optional(),
    /** That were fetched; none when the commit was here. */
    bytes: z.number().int().nonnegative(),
  }),
  z.object({
    kind: z.literal('upload'),
    /** The commit of the client's own that the run began with, or its uncommitted changes stand on. */
    anchor: GitOid,
    /** Whether uncommitted changes of the client are in the commit it began with. */
    dirty: z.boolean(),
  }),
])

/** Everything a run is asked to be; frozen when the run is created. */
export const RunRequest = z.object({
  /** Shipped name or absolute path; without one the router chooses by the task. */
  blueprint: z.string().optional(),
  task: z.string(),
  repo: z.string(),
  ref: z.string().optional(),
  includeDirty: z.boolean(),
  /** argv of the `command` blueprint. */
  command: z.array(z.string()).optional(),
  inputs: z.record(z.string(), z.string()),
  /** Short name (`base`, `node`, `python`) or any image of the engine. */
  image: z.string().optional(),
  policyFile: z.string().optional(),
  sandbox: z.enum(['read_only', 'workspace_write', 'repo_write', 'danger_full_access']).optional(),
  /** Wall-clock limit of the run, in `ms`; never above the policy's. */
  timeoutMs: z.number().int().positive().optional(),
  /** Script file of the `scripted` model. */
  modelScript: z.string().optional(),
  /** `provider/model`; the operator's own choice when absent. */
  model: z.string().max(300).optional(),
  /** Refuses every model that is not on the orchestrator's machine. */
  localModelOnly: z.boolean().optional(),
  /** Recorded exchanges with the model's server. */
  cassette: z.object({ file: z.string(), mode: CassetteMode }).optional(),
  acceptDegraded: z.boolean(),
  /** Whether a person is there who can approve. */
  interactive: z.boolean(),
  fork: ForkBase.optional(),
  /** Set for what came over the network: secrets are those of the operator's configuration alone. */
  declaredSecretsOnly: z.boolean().optional(),
  origin: RunOrigin.optional(),
})
export type RunRequest = z.infer<typeof RunRequest>

export const Run = z.object({
  id: RunId,
  tenant: Tenant,
  taskId: TaskId,
  blueprint: z.string(),
  status: RunStatus,
  reason: Reason.optional(),
  /** One sentence for a person beside `reason`. */
  detail: z.string().optional(),
  request: RunRequest,
  baseCommit: GitOid.optional(),
  baseTree: GitOid.optional(),
  /** Tree of the last checkpoint. */
  headTree: GitOid.optional(),
  policyHash: Sha256.optional(),
  /** The process that executes the run, as `<pid>:<start time>`; undefined when nobody does. */
  owner: z.string().optional(),
  cancelRequested: z.boolean(),
  createdAt: z.number().int(),
  startedAt: z.number().int().optional(),
  endedAt: z.number().int().optional(),
  deadlineAt: z.number().int().optional(),
})
export type Run = z.infer<typeof Run>

/** One stage attempt. */
export const Step = z.object({
  id: StepId,
  runId: RunId,
  stage: z.string(),
  attempt: z.number().int().positive(),
  idempotencyKey: Sha256,
  baseTree: GitOid,
  verdict: Verdict.optional(),
  reason: Reason.optional(),
  detail: z.string().optional(),
  tree: GitOid.optional(),
  commit: GitOid.optional(),
  startedAt: z.number().int(),
  endedAt: z.number().int().optional(),
})
export type Step = z.infer<typeof Step>
