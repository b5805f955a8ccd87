/**
 * The tool calls of one answer. Permission is asked in call order; reads that follow each other then
 * run side by side, writes alone; results are kept, recorded and handed back in call order. So the
 * timeline is the same however fast each of them was.
 */
import {
  findTool,
  type PreparedCall,
  prepareCall,
  TOOLS,
  type ToolCall,
  type ToolContext,
  type ToolResult,
} from '../tools/index.ts'
import { toolCallEvent } from './agent-events.ts'
import type { AgentDeps } from './agent-stage.ts'
import type { Budget, Exceeded, Reservation } from './budget.ts'

/** Reads that run side by side. */
const PARALLEL_MAX = 4
/** Calls of one answer that are looked at. */
const CALLS_MAX = 32

export interface ToolTurn {
  /** One for each call, in order; fewer when a bound was reached. */
  done: { call: ToolCall; result: ToolResult }[]
  exceeded: Exceeded | undefined
}

/** Throws what makes the stage impossible. */
export async function runToolTurn(
  deps: Pick<AgentDeps, 'record' | 'calls'> & { tools: ToolContext; budget: Budget },
  calls: readonly ToolCall[],
): Promise<ToolTurn> {
  const turn: ToolTurn = { done: [], exceeded: undefined }
  const take = (call: ToolCall, result: ToolResult) => {
    deps.record(toolCallEvent(call, result))
    turn.done.push({ call, result })
  }
  for (const group of groupsOf(deps.tools, calls.slice(0, CALLS_MAX))) {
    const finished = turn.done.some(({ result }) => result.finish !== undefined)
    const [only] = group
    const refusal = only?.name === 'finish' ? finishRefusal(turn) : undefined
    if (finished || refusal !== undefined) {
      const why = finished ? 'It was not run: the stage has ended' : refusal
      for (const call of group) take(call, notRun(call, why ?? ''))
      continue
    }
    for (let rest = group; rest.length > 0;) {
      const { taken, exceeded } = await runGroup(deps, rest, take)
      // What reads side by side hold at worst may be too much, where one after the other is not.
      if (exceeded !== undefined && taken === 0) return { ...turn, exceeded }
      rest = rest.slice(taken)
    }
  }
  for (const call of calls.slice(CALLS_MAX))
    take(call, notRun(call, `It was not run: one answer may make ${CALLS_MAX} calls`))
  return turn
}

/** An agent must have seen a failure before it says that it is done. */
function finishRefusal({ done }: ToolTurn): string | undefined {
  const failed = done.find(({ result }) => !result.ok)
  if (failed === undefined) return undefined
  return `The stage did not end: "${failed.call.name}" of the same answer failed. Look at it, then finish.`
}

interface Started {
  call: ToolCall
  prepared: PreparedCall
  reservation: Reservation
  /** Bytes reserved for its output. */
  room: number
}

async function runGroup(
  { tools, budget, calls }: Pick<AgentDeps, 'calls'> & { tools: ToolContext; budget: Budget },
  group: readonly ToolCall[],
  take: (call: ToolCall, result: ToolResult) => void,
): Promise<{ taken: number; exceeded: Exceeded | undefined }> {
  const started: Started[] = []
  let exceeded: Exceeded | undefined
  try {
    for (const call of group) {
      const next = await start(tools, budget, call)
      exceeded = 'bound' in next ? next : undefined
      if ('bound' in next) break
      started.push(next)
    }
    const running = started.map(({ prepared }) =>
      prepared.ok ? calls.run(tools, prepared) : undefined,
    )
    // All are waited for before the first failure is thrown, so that none runs on unseen.
    await Promise.allSettled(running.filter((run) => run !== undefined))
    for (const [index, { call, prepared, reservation, room }] of started.entries()) {
      const run = await running[index]
      const result = run === undefined ? undefined : await calls.settle(tools, run)
      const answer = result ?? (prepared.ok ? notRun(call, 'It was not run') : prepared.result)
      // A refusal is our own words, not output that a model could make grow.
      const outputBytes =
        run === undefined ? Math.min(answer.outputBytes, room) : answer.outputBytes
      reservation.settle({ toolCalls: 1, outputBytes })
      take(call, answer)
    }
  } finally {
    // Counts what an exception has left open; settling twice changes nothing.
    for (const { reservation } of started) reservation.settle({ toolCalls: 1 })
  }
  return { taken: started.length, exceeded }
}

/** Reserves what the call may put out, and asks for permission. */
async function start(
  tools: ToolContext,
  budget: Budget,
  call: ToolCall,
): Promise<Started | Exceeded> {
  const room = Math.min(budget.remaining().outputBytes, OUTPUT_BYTES_MAX)
  const reserved = budget.reserve({ toolCalls: 1, outputBytes: Math.max(room, 1) })
  if (!reserved.ok) return reserved.exceeded
  const { reservation } = reserved
  try {
    const prepared = await prepareCall(tools, call)
    if (!prepared.ok) return { call, prepared, reservation, room }
    const outputBytesMax = Math.min(prepared.outputBytesMax, room)
    return { call, prepared: { ...prepared, outputBytesMax }, reservation, room }
  } catch (error) {
    reservation.settle({ toolCalls: 1 })
    throw error
  }
}

/** The most any tool may put out. */
const OUTPUT_BYTES_MAX = Math.max(...TOOLS.map((tool) => tool.limits.outputBytesMax))

function* groupsOf(tools: ToolContext, calls: readonly ToolCall[]): Generator<ToolCall[]> {
  let reads: ToolCall[] = []
  for (const call of calls) {
    if (findTool(tools, call.name)?.effect === 'read') {
      reads.push(call)
      if (reads.length < PARALLEL_MAX) continue
      yield reads
      reads = []
      continue
    }
    if (reads.length > 0) yield reads
    reads = []
    yield [call]
  }
  if (reads.length > 0) yield reads
}

function notRun(call: ToolCall, text: string): ToolResult {
  return {
    callId: call.id,
    name: call.name,
    ok: false,
    failure: 'tool_failed',
    text,
    kept: undefined,
    outputBytes: Buffer.byteLength(text),
    finish: undefined,
    durationMs: 0,
  }
}
