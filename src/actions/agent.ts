/**
 * The agent loop: send, run the calls that come back, send again.
 *
 * The model proposes and never decides. A stage ends by a valid `finish`, by one of the seven bounds,
 * by going in circles, or by a failure; never by what a text says. Nothing is called whose worst case
 * does not fit the budget of stage and run. The conversation only grows; what is sent is a view of it.
 */
import { addUsage, NO_USAGE } from '../model/index.ts'
import type { Message, ModelRequest, ModelResponse, Usage } from '../schema/index.ts'
import { type ToolContext, toolSpecs } from '../tools/index.ts'
import {
  approvalEnd,
  exceededEnd,
  failedEnd,
  finishedEnd,
  modelFailureEnd,
  refusedEnd,
  thrownEnd,
  unpricedEnd,
} from './agent-end.ts'
import { viewEvent } from './agent-events.ts'
import { askModel, INPUT_MARGIN, type InputMeter } from './agent-model-call.ts'
import { CUT_NUDGE, NUDGE, openingMessage, systemText } from './agent-prompt.ts'
import type { AgentDeps, AgentRequest, AgentResult, StageEnd } from './agent-stage.ts'
import { createStuckDetector, type StuckDetector } from './agent-stuck.ts'
import { runToolTurn, type ToolTurn } from './agent-tool-turn.ts'
import { transcriptOf } from './agent-transcript.ts'
import { viewOf } from './agent-view.ts'
import { boundsOfLimits, type Budget, createBudget, NO_SPEND } from './budget.ts'

/** Answers in a row that call no tool. */
const NUDGES_MAX = 3
/** What a timer can wait for. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Runs one attempt of an agent stage to its end. Throws only on a bug. */
export async function runAgentStage(deps: AgentDeps, request: AgentRequest): Promise<AgentResult> {
  const budget = createBudget(boundsOfLimits(request.limits), {
    level: 'stage',
    parent: deps.runBudget,
    spent: NO_SPEND,
    startedAt: deps.now(),
    now: deps.now,
  })
  const wall = new AbortController()
  const timer = setTimeout(
    () => wall.abort(),
    Math.min(TIMER_MS_MAX, Math.ceil(budget.remaining().wallMs)),
  )
  const signal = AbortSignal.any([request.signal, wall.signal])
  const talk: Conversation = {
    system: systemText(request),
    messages: [openingMessage(request)],
    elided: [],
    nudges: 0,
    turns: 0,
    usage: NO_USAGE,
    stuck: createStuckDetector(),
    meter: { factor: INPUT_MARGIN },
  }
  let end: StageEnd | undefined
  try {
    const stage = { ...deps, tools: { ...deps.tools, signal }, budget, request, signal }
    end = await askLeave(stage)
    while (end === undefined) end = await takeTurn(stage, talk)
  } catch (error) {
    end = interruptedEnd(error, { request, wall: wall.signal, budget })
    if (end === undefined) throw error
  } finally {
    clearTimeout(timer)
  }
  const bytes = transcriptOf(deps, request, { ...talk, end })
  const transcript = await deps.saveTranscript(`transcript-${request.stage}`, bytes)
  return { ...end, turns: talk.turns, usage: talk.usage, spent: budget.spent(), transcript }
}

interface StageDeps extends AgentDeps {
  tools: ToolContext
  budget: Budget
  request: AgentRequest
  signal: AbortSignal
}

interface Conversation {
  system: string
  messages: Message[]
  /** Calls whose results are no longer sent whole. */
  elided: readonly string[]
  nudges: number
  turns: number
  usage: Usage
  stuck: StuckDetector
  meter: InputMeter
}

/** Calling the model at all is something policy decides, once for the stage. */
async function askLeave({ tools, model }: StageDeps): Promise<StageEnd | undefined> {
  const decision = await tools.gate({
    capability: 'model_call',
    resource: { kind: 'name', name: `${model.provider}/${model.model}` },
    subject: 'agent',
  })
  return decision.decision === 'allow' ? undefined : refusedEnd(decision)
}

/** One answer and all that follows from it; the end of the stage, if it is one. */
async function takeTurn(stage: StageDeps, talk: Conversation): Promise<StageEnd | undefined> {
  const exceeded = stage.budget.exceeded()
  if (exceeded !== undefined) return exceededEnd(exceeded)
  const { budget, signal } = stage
  const options = { budget, signal, meter: talk.meter }
  const answer = await askModel(stage, nextRequest(stage, talk), options)
  const { model } = stage.model
  switch (answer.kind) {
    case 'exceeded':
      return exceededEnd(answer.exceeded)
    case 'unpriced':
      return unpricedEnd(model)
    case 'failed':
      stage.signal.throwIfAborted()
      return modelFailureEnd(answer.failure, model)
    case 'answered':
      return await follow(stage, talk, answer.response)
  }
}

function nextRequest({ request, tools, record }: StageDeps, talk: Conversation): ModelRequest {
  const tokensMax = request.contextTokens
  const view = viewOf(talk.messages, { before: talk.elided, tokensMax })
  if (view.elided.length > talk.elided.length) record(viewEvent(talk.messages.length, view.elided))
  talk.elided = view.elided
  return {
    stage: request.stage,
    system: talk.system,
    messages: [...view.messages],
    tools: toolSpecs(tools),
    maxOutputTokens: request.maxOutputTokens,
  }
}

async function follow(
  stage: StageDeps,
  talk: Conversation,
  response: ModelResponse,
): Promise<StageEnd | undefined> {
  const { text, toolCalls, stopReason, native, usage } = response
  talk.turns += 1
  talk.usage = addUsage(talk.usage, usage)
  const said: Message = { role: 'assistant', text, toolCalls }
  talk.messages.push(native === undefined ? said : { ...said, native })
  if (stopReason === 'refusal')
    return failedEnd('agent_failed', `The model refuses: ${text.slice(0, 500)}`)
  if (toolCalls.length === 0) return nudge(stage, talk, response)
  talk.nudges = 0
  const turn = await runToolTurn(stage, toolCalls)
  for (const { call, result } of turn.done)
    talk.messages.push({
      role: 'tool',
      callId: call.id,
      name: call.name,
      ok: result.ok,
      text: result.text,
    })
  stage.budget.note(turn.done.some(({ result }) => result.ok))
  return endOfTurn(turn, talk)
}

function endOfTurn({ done, exceeded }: ToolTurn, talk: Conversation): StageEnd | undefined {
  const finish = done.find(({ result }) => result.finish !== undefined)?.result.finish
  if (finish !== undefined) return finishedEnd(finish)
  const asked = done.find(({ result }) => result.failure === 'approval_required')
  if (asked !== undefined) return approvalEnd(asked.result.text)
  if (exceeded !== undefined) return exceededEnd(exceeded)
  const circle = talk.stuck.take(done)
  return circle === undefined ? undefined : failedEnd('stuck', circle)
}

/** An answer without calls has done nothing; it is told so, a few times. */
function nudge(
  { budget }: StageDeps,
  talk: Conversation,
  { stopReason }: ModelResponse,
): StageEnd | undefined {
  budget.note(false)
  talk.nudges += 1
  if (talk.nudges > NUDGES_MAX)
    return failedEnd('invalid_output', `The model called no tool ${talk.nudges} times in a row`)
  talk.messages.push(stopReason === 'max_tokens' ? CUT_NUDGE : NUDGE)
  return undefined
}

interface Interruption {
  request: AgentRequest
  wall: AbortSignal
  budget: Budget
}

/** What a thrown error means; `undefined` for a bug. */
function interruptedEnd(
  error: unknown,
  { request, wall, budget }: Interruption,
): StageEnd | undefined {
  if (request.signal.aborted)
    return {
      verdict: 'cancelled',
      reason: 'cancelled',
      detail: 'The stage was cancelled',
      summary: '',
    }
  if (!wall.aborted) return thrownEnd(error)
  const limit = request.limits.max_wall
  return exceededEnd(budget.exceeded() ?? { bound: 'wallMs', level: 'stage', limit, needed: limit })
}
