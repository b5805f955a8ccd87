/** Agent stages of a record, each gone through again when its turn comes, and held against its events. */
import type { ActionContext, AgentResult } from '../actions/index.ts'
import type { Artifact, Event, JsonObject, JsonValue, NewEvent, Run } from '../schema/index.ts'
import type { FrozenRun } from './frozen-run.ts'
import { agentVerdict } from './perform-agent.ts'
import { plainText } from './plain-text.ts'
import { type AgentRecord, replayAgent } from './replay-agent.ts'
import type { Expected } from './replay-expected.ts'
import { spentOf } from './run-spend.ts'

export interface ReplayInput {
  run: Run
  frozen: FrozenRun
  events: readonly Event[]
  /** In the order they were made. */
  artifacts: readonly Artifact[]
  read(artifact: Artifact): Promise<Uint8Array>
  redact(text: string): string
}

/** Ends that come from outside of the loop, at a moment no record can repeat. */
const FROM_OUTSIDE: readonly JsonValue[] = ['wall_limit', 'cancelled', 'timed_out']
/** What the tree of an attempt may make of its verdict. */
const FROM_TREE: readonly JsonValue[] = ['policy_violation', 'disk_limit', 'workspace_failed']

interface OpenAgent {
  made: NewEvent[]
  end: JsonObject | undefined
  transcriptIsEqual: boolean
}

interface AgentReplays {
  /** An attempt begins. */
  begin(event: Event): Promise<void>
  /** What the loop makes next. */
  expect(event: Event): Expected | undefined
  expectEnd(event: Event): Expected | undefined
  /** Attempts that were gone through. */
  count(): number
}

export function createAgentReplays(
  input: ReplayInput,
  { seen, notes }: { seen: readonly Event[]; notes: string[] },
): AgentReplays {
  let agent: OpenAgent | undefined
  let count = 0

  async function begin(event: Event): Promise<void> {
    agent = undefined
    const record = await recordOf(input, event, { seen, notes })
    if (record === undefined) return
    count += 1
    const { events: made, result, transcript } = await replayAgent(record)
    if (result === undefined)
      notes.push(`${event.stage}.${event.attempt} was cut short from outside`)
    const isEqual = transcript !== undefined && Buffer.compare(transcript, record.transcript) === 0
    agent = { made, end: result && endOf(input, result), transcriptIsEqual: isEqual }
  }

  function expect(event: Event): Expected | undefined {
    if (agent === undefined) return undefined
    const next = agent.made.shift()
    if (next === undefined)
      // A record that goes on where the loop had ended does not fit, unless it was stopped from outside.
      return agent.end === undefined ? undefined : { payload: { unexpected: true }, whole: true }
    if (next.type !== event.type) return { payload: { type: next.type }, whole: true }
    return { payload: next.payload, whole: true }
  }

  function expectEnd(event: Event): Expected | undefined {
    const { reason = null } = event.payload
    const cut = FROM_OUTSIDE.includes(reason) || event.volatile['detail'] !== undefined
    if (agent?.end === undefined || cut || FROM_TREE.includes(reason) || reason === 'recovered')
      return undefined
    if (agent.made.length > 0)
      return { payload: { missing: agent.made[0]?.type ?? '' }, whole: false }
    if (!agent.transcriptIsEqual)
      return { payload: { ...agent.end, transcript: 'differs' }, whole: false }
    return { payload: agent.end, whole: false }
  }

  return { begin, expect, expectEnd, count: () => count }
}

function endOf({ redact }: ReplayInput, result: AgentResult): JsonObject {
  return {
    verdict: agentVerdict(result),
    ...(result.reason !== undefined && { reason: result.reason }),
    detail: plainText(redact(result.detail)),
  }
}

async function recordOf(
  input: ReplayInput,
  event: Event,
  { seen, notes }: { seen: readonly Event[]; notes: string[] },
): Promise<AgentRecord | undefined> {
  const { frozen, run, events, artifacts } = input
  const { attempt = 0 } = event
  const stage = frozen.plan.stages.find(({ id }) => id === event.stage)
  if (stage?.type !== 'agent') return undefined
  const kept = artifacts.find(
    ({ stepId, type, name }) =>
      stepId === event.volatile['step'] &&
      type === 'transcript' &&
      name === `transcript-${stage.id}`,
  )
  if (kept === undefined) {
    notes.push(`${stage.id}.${attempt} has no transcript; its events are taken as recorded`)
    return undefined
  }
  return {
    stage,
    attempt,
    task: run.request.task,
    frozen,
    events: events.filter((each) => each.stage === stage.id && each.attempt === attempt),
    transcript: await input.read(kept),
    spent: spentOf((type) => seen.filter((each) => each.type === type)),
    readArtifact: artifactsBefore(input, seen),
  }
}

/** The latest of a name, of what attempts before this one have made. */
function artifactsBefore(
  { artifacts, read }: ReplayInput,
  seen: readonly Event[],
): ActionContext['readArtifact'] {
  const steps = new Set(
    seen.flatMap(({ type, volatile }) => (type === 'step_started' ? [volatile['step']] : [])),
  )
  return async (name) => {
    const artifact = artifacts.findLast(
      (each) => each.name === name && (each.stepId === undefined || steps.has(each.stepId)),
    )
    return artifact && { artifact, content: await read(artifact) }
  }
}
