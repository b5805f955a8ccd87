/**
 * Life cycle of sessions, tasks and runs: what the API may ask. Every method that names a run takes
 * its whole id; `find()` turns a unique prefix into one.
 */
import type {
  ApprovalEdit,
  Artifact,
  Asked,
  AskRequest,
  AuditReport,
  DiffStat,
  Event,
  LearnRequest,
  LearntPolicy,
  Plan,
  ReplayReport,
  Run,
  RunId,
  RunRequest,
  RunResult,
  RunStatus,
  SimulateRequest,
  Simulation,
  Step,
  TaskId,
} from '../schema/index.ts'
import type { PlacedEvent } from '../state/index.ts'
import type { MergedRun } from './bring-home.ts'
import type { ForkOptions } from './fork.ts'
import type { Retention } from './old-runs.ts'
import type { ResultPack } from './result-pack.ts'
import type { QueuePlace } from './submit.ts'

/** A piece of a command's output as the sandbox wrote it. */
interface OutputFrame {
  /** Names the command: `<stage>.<attempt>.<name>`. */
  step: string
  stream: 'stdout' | 'stderr'
  /** Bytes of this stream before `data`. */
  offset: number
  data: Uint8Array
}

export interface FollowOptions {
  /** `seq` of the last event already seen; 0 for all. */
  after: number
  /** Goes on until the run ends; otherwise stops at what is there now. */
  live: boolean
  /** Whether what commands write comes too; who does not want it does not pay for it. */
  output: boolean
  signal: AbortSignal
}

export type StreamFrame =
  | { type: 'event'; event: Event }
  | ({ type: 'output' } & OutputFrame)
  | { type: 'end'; status: RunStatus; exit_code: number }

export type DiffFormat = 'summary' | 'patch' | 'stat' | 'name-only'

export interface Runtime {
  /**
   * Checks all that can be checked before a start (repository, blueprint, policy, image, engine),
   * then writes session, task and a queued run in one transaction. Nothing is written on failure.
   */
  submit(request: RunRequest, options: { signal: AbortSignal }): Promise<Run>
  /**
   * Session and task for a request in words, and a run when the plan says so; throws as `submit()`
   * does, the task stays then. Throws `not_found` for an unknown session.
   */
  ask(request: AskRequest, plan: Plan, options: { signal: AbortSignal }): Promise<Asked>
  /** The same, with a place in the queue of the server, in the same transaction. */
  enqueue(request: RunRequest, options: { signal: AbortSignal } & QueuePlace): Promise<Run>
  /** A new run of a task that exists, with the request of its last run. Throws `not_found`. */
  runTask(id: TaskId, options: { signal: AbortSignal }): Promise<RunId>
  /**
   * New runs that begin with the files of a checkpoint of this one, submitted as `submit()` does.
   * Throws `not_found` for a stage that has none, `policy_denied` where it broke policy.
   */
  fork(id: RunId, options: ForkOptions & { count: number }): Promise<Run[]>
  /**
   * Executes a run that nobody executes (queued, paused, interrupted or approved) to its end in this
   * process. Never rejects: how a run fails is its own status, and what kept this process from
   * executing it at all (`conflict`, `state_unusable`, …) is thrown by `result()`.
   */
  execute(id: RunId, options: { signal: AbortSignal }): Promise<void>
  /**
   * The run, if `execute()` may take it now. Throws `conflict` when it has ended or somebody
   * executes it, `approval_required` while a person has not answered.
   */
  resumable(id: RunId): Run
  find(prefix: string): Run
  get(id: RunId): Run
  /** Newest first, older than `before`. */
  list(options: { limit: number; status: RunStatus | undefined; before: RunId | undefined }): Run[]
  result(id: RunId): Promise<RunResult>
  steps(id: RunId): Step[]
  /** `seq` of the newest event; 0 when there is none. */
  lastSeq(id: RunId): number
  events(id: RunId, options: { after: number; limit: number }): Event[]
  /** Events and output in one stream; ends with an `end` frame when the run has ended. */
  stream(id: RunId, options: FollowOptions): AsyncGenerator<StreamFrame>
  /** Events of every run of the tenant as they come, from a place in the order of all commits on. */
  streamAll(options: { after: number; signal: AbortSignal }): AsyncGenerator<PlacedEvent>
  artifacts(id: RunId): Artifact[]
  /** By name (the latest of it) or by a unique id prefix. Throws `not_found`. */
  readArtifact(id: RunId, nameOrId: string): Promise<{ artifact: Artifact; content: Uint8Array }>
  /** A file as the run left it, as far as policy lets it be read. Throws `not_found`. */
  readFile(id: RunId, path: string): Promise<Uint8Array>
  diff(id: RunId, format: DiffFormat): Promise<{ stat: DiffStat; text: Uint8Array }>
  /** Recomputes both chains, and holds copy and artifacts against what is stored. */
  audit(id: RunId): Promise<AuditReport>
  /** Goes through the record of an ended run again, without engine, model or network. */
  replay(id: RunId): Promise<ReplayReport>
  /** The tightest list of hosts that would have let these runs. Throws `not_found`. */
  learn(request: LearnRequest): LearntPolicy
  /** What a policy would have said to past runs. Throws `policy_invalid`, `not_found`. */
  simulate(request: SimulateRequest): Simulation
  /** Brings the run's changes into the user's checkout, all or nothing. Throws `conflict` with the list. */
  apply(id: RunId, options: { signal: AbortSignal }): Promise<DiffStat>
  /**
   * Brings the run's commits into the branch that is checked out: files, index and branch together
   * or not at all. Throws `conflict`, with the list where paths are in the way.
   */
  merge(id: RunId, options: { signal: AbortSignal }): Promise<MergedRun>
  /** Makes a branch of the user's repository; `openexec/<run>` unless named. Throws `conflict`. */
  branch(
    id: RunId,
    options: { name: string | undefined; signal: AbortSignal },
  ): Promise<{ branch: string; commit: string }>
  /** What the run made as commits, for a checkout elsewhere. Throws as `branch()` does. */
  pack(id: RunId, options: { known: readonly string[]; signal: AbortSignal }): Promise<ResultPack>
  /**
   * Asks the owner to stop; ends the run itself when no process owns it. Throws `conflict` when it
   * has ended in another way.
   */
  cancel(id: RunId): Promise<Run>
  /** Ends runs whose requests nobody answered in time; when the next one is due (epoch `ms`). */
  expire(): number | undefined
  /** Ends the wait of a run for a person. Throws `not_found` when nothing is asked. */
  decide(id: RunId, decision: ApprovalDecision): Promise<void>
  /** Runs whose process died become `paused`; what they left on the machine is removed. */
  recover(options: { signal: AbortSignal }): Promise<RecoveryReport>
  /** Removes ended runs by age, number and size, unreferenced blobs, and everything orphaned. */
  gc(options: GcOptions): Promise<GcReport>
}

export interface ApprovalDecision {
  /** Id prefix; `undefined` when exactly one is open. */
  approval: string | undefined
  approve: boolean
  reason: string | undefined
  /** Put in the place of what is asked; only with `approve`. */
  edit: ApprovalEdit | undefined
}

export interface RecoveryReport {
  interrupted: RunId[]
  containers: string[]
  volumes: string[]
  workspaces: string[]
}

export interface GcOptions extends Retention {
  signal: AbortSignal
}

export interface GcReport extends RecoveryReport {
  runs: RunId[]
  /** Documents that were sent with requests, and that no run names any more. */
  documents: string[]
  /** Bytes */
  freed: number
  /** Why nothing could be looked for on the engine; `undefined` where it answered. */
  engine: string | undefined
}
