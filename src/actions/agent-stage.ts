/** What an agent stage needs and what comes of it; `agent.ts` runs it. */
import type { ContextPack, NewEvent, Reason, Skill, Usage, Verdict } from '../schema/index.ts'
import type { Model, RetryPolicy } from '../model/index.ts'
import { runCall, settleCall, type ToolContext } from '../tools/index.ts'
import type { AgentLimits, Budget, Spend } from './budget.ts'

/** How a call that passed every check is performed; a replay answers from the record instead. */
export interface CallPort {
  run: typeof runCall
  settle: typeof settleCall
}

export const REAL_CALLS: CallPort = { run: runCall, settle: settleCall }

export interface AgentDeps {
  model: Model
  calls: CallPort
  /** With the one toolset of the stage; its signal is narrowed to the stage's. */
  tools: ToolContext
  /** Stage and attempt are filled in already. */
  record(event: NewEvent): void
  /** Keeps the whole conversation, whatever becomes of the stage. */
  saveTranscript(name: string, bytes: Uint8Array): Promise<{ id: string; sha256: string }>
  /** Budget of the run, which the stage's lies in. */
  runBudget: Budget
  retry: RetryPolicy
  /** Monotonic `ms`. */
  now(): number
  /** Uniform in [0, 1); seeded. */
  random(): number
  /** Resolves early, and never rejects, when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export interface AgentRequest {
  stage: string
  attempt: number
  /** What the run is for, in the caller's words. */
  task: string
  /** What this stage is for, in the blueprint's words. */
  goal: string
  /** Added to the system text; empty for none. */
  instructions: string
  /** What `load_skill` can show. */
  skills: readonly Pick<Skill, 'name' | 'description'>[]
  contextPack: ContextPack | undefined
  /** Artifacts of earlier stages, as text. */
  inputs: readonly { name: string; text: string }[]
  limits: AgentLimits
  /** Tokens one answer may have. */
  maxOutputTokens: number
  /** Tokens of messages above which old tool results are left out of what is sent. */
  contextTokens: number
  signal: AbortSignal
}

export interface AgentResult {
  verdict: Extract<
    Verdict,
    | 'succeeded'
    | 'failed'
    | 'error'
    | 'blocked'
    | 'cancelled'
    | 'budget_exceeded'
    | 'awaiting_approval'
  >
  reason: Reason | undefined
  /** One or two sentences for a person. */
  detail: string
  /** What the model says it did; empty when it did not finish. */
  summary: string
  /** Answers of the model. */
  turns: number
  usage: Usage
  spent: Spend
  transcript: { id: string; sha256: string }
}

/** How a stage ends; what is counted is added by the loop. */
export type StageEnd = Pick<AgentResult, 'verdict' | 'reason' | 'detail' | 'summary'>
