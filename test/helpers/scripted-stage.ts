/** Runs one agent stage with a scripted model over a local sandbox, and keeps all it did. */
import { createHash } from 'node:crypto'
import type { NewEvent } from '../../src/schema/index.ts'
import {
  type AgentLimits,
  boundsOfLimits,
  type Budget,
  createBudget,
  NO_SPEND,
} from '../../src/actions/budget.ts'
import { runAgentStage } from '../../src/actions/agent.ts'
import {
  type AgentDeps,
  type AgentRequest,
  type AgentResult,
  REAL_CALLS,
} from '../../src/actions/agent-stage.ts'
import { DEFAULT_RETRY, type Model, seededRandom } from '../../src/model/index.ts'
import { Script } from '../../src/model/script.ts'
import { createScriptedModel } from '../../src/model/scripted.ts'
import type { ToolWorld } from './tool-context.ts'

export const LIMITS: AgentLimits = {
  max_turns: 20,
  max_tokens: 400_000,
  max_cost_usd: 2,
  max_tool_calls: 40,
  max_wall: 30_000,
  max_output_bytes: 5_000_000,
  max_consecutive_errors: 5,
}

export interface StageRun {
  result: AgentResult
  events: NewEvent[]
  /** NDJSON lines of the transcript. */
  transcript: { kind: string; [key: string]: unknown }[]
  runBudget: Budget
}

export interface StageOptions {
  limits: Partial<AgentLimits>
  runLimits: Partial<AgentLimits>
  request: Partial<AgentRequest>
  deps: Partial<AgentDeps>
}

/** A model from the turns of a script as values, which may be worse than any YAML could say. */
export function scriptedModel(turns: readonly object[], rest: object = {}): Model {
  const value = Script.parse({ provider: 'scripted', turns, ...rest })
  const script = { file: 'script.yaml', value, locate: () => ({ line: 1, column: 1 }) }
  return createScriptedModel(script, { callsBefore: 0 })
}

export async function runStage(
  world: ToolWorld,
  model: Model,
  options: Partial<StageOptions> = {},
): Promise<StageRun> {
  const events: NewEvent[] = []
  const saved: Uint8Array[] = []
  const now = () => performance.now()
  const runBudget = createBudget(boundsOfLimits({ ...LIMITS, ...options.runLimits }), {
    level: 'run',
    parent: undefined,
    spent: NO_SPEND,
    startedAt: now(),
    now,
  })
  const deps: AgentDeps = {
    model,
    calls: REAL_CALLS,
    tools: world.context,
    record: (event) => events.push(event),
    async saveTranscript(_name, bytes) {
      saved.push(bytes)
      return { id: 'art_transcript', sha256: createHash('sha256').update(bytes).digest('hex') }
    },
    runBudget,
    retry: DEFAULT_RETRY,
    now,
    random: seededRandom('test'),
    sleep: async () => {},
    ...options.deps,
  }
  const request: AgentRequest = {
    stage: 'implement',
    attempt: 1,
    task: 'sum() is off by one',
    goal: 'Fix it',
    instructions: '',
    skills: [],
    contextPack: undefined,
    inputs: [],
    limits: { ...LIMITS, ...options.limits },
    maxOutputTokens: 4096,
    contextTokens: 100_000,
    signal: new AbortController().signal,
    ...options.request,
  }
  const result = await runAgentStage(deps, request)
  const lines = Buffer.from(saved[0] ?? new Uint8Array())
    .toString()
    .trim()
    .split('\n')
  const transcript = lines.map((line): StageRun['transcript'][number] => JSON.parse(line))
  return { result, events, transcript, runBudget }
}
