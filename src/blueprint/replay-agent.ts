/**
 * An agent stage once more, without its model and without its tools: the loop, the prompts, the
 * checks of arguments, the budgets and the ends are the real ones; what the model answered and what
 * the tools found comes from the record. Every event it makes must be the recorded one.
 */
import {
  type ActionContext,
  type AgentResult,
  boundsOfLimits,
  createBudget,
  runAgentStage,
  type Spend,
} from '../actions/index.ts'
import { DEFAULT_RETRY, DEFAULT_WINDOW, seededRandom } from '../model/index.ts'
import type { Event, NewEvent } from '../schema/index.ts'
import { createMcpTools, type Tool } from '../tools/index.ts'
import type { FrozenRun } from './frozen-run.ts'
import { allowedServers } from './mcp-servers.ts'
import { contextPack, inputTexts, skillTools } from './perform-agent.ts'
import type { AgentPlanStage } from './plan.ts'
import {
  messagesOf,
  recordedCalls,
  recordedModel,
  recordedTools,
  RecordEnds,
} from './replay-record.ts'

export interface AgentRecord {
  stage: AgentPlanStage
  attempt: number
  task: string
  frozen: FrozenRun
  /** Of this attempt, in order. */
  events: readonly Event[]
  /** NDJSON, as the attempt has kept it. */
  transcript: Uint8Array
  /** What the run had used before it. */
  spent: Spend
  /** Artifacts as they were before it. */
  readArtifact: ActionContext['readArtifact']
}

export interface ReplayedAgent {
  events: NewEvent[]
  /** `undefined` when the record ends before the stage does: it was cut short from outside. */
  result: AgentResult | undefined
  /** What it would have kept. */
  transcript: Uint8Array | undefined
}

/** The same tools as then, from what was frozen; none of them is ever executed. */
function recordedExtras({ snapshot, policy }: FrozenRun, stage: AgentPlanStage): Tool[] {
  const unreachable = (): never => {
    throw new Error('A replay reached for the world')
  }
  const mode = stage.sandbox ?? policy.sandbox
  const servers = allowedServers(snapshot.mcp ?? [], { policy, mode, stage: stage.id })
  const { tools } = createMcpTools(servers, unreachable)
  return [...skillTools(snapshot.skills ?? [], unreachable), ...tools]
}

export async function replayAgent(record: AgentRecord): Promise<ReplayedAgent> {
  const { stage, attempt, frozen } = record
  const events: NewEvent[] = []
  const saved: { transcript: Uint8Array | undefined } = { transcript: undefined }
  const talk = messagesOf(record.transcript)
  const now = () => 0
  const { skills = [] } = frozen.snapshot
  const window = frozen.snapshot.model ?? DEFAULT_WINDOW
  const result = await runAgentStage(
    {
      model: recordedModel(record, talk),
      calls: recordedCalls(record, talk),
      tools: recordedTools({
        toolset: stage.toolset,
        extras: recordedExtras(frozen, stage),
        events: record.events,
      }),
      record: (event) => events.push(event),
      async saveTranscript(_name, bytes) {
        saved.transcript = bytes
        return { id: '', sha256: '' }
      },
      runBudget: createBudget(boundsOfLimits(frozen.plan.limits), {
        level: 'run',
        parent: undefined,
        spent: record.spent,
        startedAt: 0,
        now,
      }),
      retry: DEFAULT_RETRY,
      now,
      random: seededRandom(`${stage.id}.${attempt}`),
      sleep: async () => {},
    },
    {
      stage: stage.id,
      attempt,
      task: record.task,
      goal: stage.goal,
      instructions: '',
      skills,
      contextPack: await contextPack(record, stage),
      inputs: await inputTexts(record, stage),
      limits: stage.limits,
      maxOutputTokens: window.outputTokens,
      contextTokens: window.contextTokens,
      signal: new AbortController().signal,
    },
  ).catch((error: unknown) => {
    if (error instanceof RecordEnds) return undefined
    throw error
  })
  return { events, result, transcript: saved.transcript }
}
