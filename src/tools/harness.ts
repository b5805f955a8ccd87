/**
 * The only way a tool is called: find it in the toolset, check its arguments, ask policy for
 * everything it touches, run it within its limits, keep the whole output, show a part.
 *
 * A refusal at any of these is an answer to the model, not an exception; only what makes the stage
 * impossible (a lost sandbox, a cancelled run, a bug) is thrown. The three phases can be called one
 * by one, so that reads may run side by side while every question and record keeps its order.
 */
import {
  canonicalJson,
  type ErrorCode,
  type JsonValue,
  OpenExecError,
  type PolicyDecision,
} from '../schema/index.ts'
import { withDeadline } from './deadline.ts'
import { withinDepth } from './json-depth.ts'
import { repairMessage } from './repair-message.ts'
import { findTool, toolNames } from './registry.ts'
import type { FinishRequest, Tool, ToolContext, ToolOutput } from './tool.ts'
import { truncate } from './truncate.ts'

const ARGS_DEPTH_MAX = 16

export interface ToolCall {
  id: string
  name: string
  args: JsonValue
}

type ToolFailure =
  | 'unknown_tool'
  | 'bad_arguments'
  | 'policy_blocked'
  | 'approval_required'
  | 'timed_out'
  | 'tool_failed'

export interface ToolResult {
  callId: string
  name: string
  ok: boolean
  failure: ToolFailure | undefined
  /** What the model sees. */
  text: string
  /** The whole output, where the text is only a part of it. */
  kept: { id: string; sha256: string } | undefined
  /** Bytes of the whole output. */
  outputBytes: number
  finish: FinishRequest | undefined
  /** `ms`; not repeatable. */
  durationMs: number
}

/** A call that passed every check, or the answer to one that did not. */
export type PreparedCall =
  | {
      ok: true
      call: ToolCall
      tool: Tool
      request: unknown
      /** Bytes of output to take; a caller with less room lowers it. */
      outputBytesMax: number
    }
  | { ok: false; result: ToolResult }

/** A call that has run. */
export interface RunCall {
  call: ToolCall
  tool: Tool
  output: ToolOutput
  failure: ToolFailure | undefined
  durationMs: number
}

/** All three phases of one call. */
export async function callTool(context: ToolContext, call: ToolCall): Promise<ToolResult> {
  const prepared = await prepareCall(context, call)
  if (!prepared.ok) return prepared.result
  return await settleCall(context, await runCall(context, prepared))
}

/** Finds, checks, asks. */
export async function prepareCall(context: ToolContext, call: ToolCall): Promise<PreparedCall> {
  const refuse = (failure: ToolFailure, text: string): PreparedCall => ({
    ok: false,
    result: answer(call, { failure, text }),
  })
  const tool = findTool(context, call.name)
  if (tool === undefined) {
    const known = toolNames(context).join(', ')
    return refuse('unknown_tool', `There is no tool "${call.name.slice(0, 100)}". Tools: ${known}`)
  }
  const checked = checkArguments(tool, call.args)
  if (!checked.ok) return refuse('bad_arguments', checked.text)
  for (const access of accessesOf(tool, checked.request)) {
    if ('failed' in access) return refuse('bad_arguments', access.failed)
    const decision = await context.gate({ ...access, subject: tool.name })
    if (decision.decision === 'allow') continue
    const failure = decision.decision === 'block' ? 'policy_blocked' : 'approval_required'
    return refuse(failure, refusal(tool.name, decision))
  }
  const { outputBytesMax } = tool.limits
  return { ok: true, call, tool, request: checked.request, outputBytesMax }
}

/** Runs a prepared call within its time. Throws what makes the stage impossible. */
export async function runCall(
  context: ToolContext,
  { call, tool, request, outputBytesMax }: Extract<PreparedCall, { ok: true }>,
): Promise<RunCall> {
  const started = context.now()
  const done = (output: ToolOutput, failure?: ToolFailure): RunCall => ({
    call,
    tool,
    output: { ...output, text: capped(output.text, outputBytesMax) },
    failure: output.ok ? undefined : (failure ?? 'tool_failed'),
    durationMs: Math.max(0, context.now() - started),
  })
  try {
    const outcome = await withDeadline(
      { timeoutMs: tool.limits.timeoutMs, signal: context.signal },
      (signal) => tool.execute({ ...context, signal }, request),
    )
    if (outcome.kind === 'done') return done(outcome.value)
    const text = `"${tool.name}" did not end within ${tool.limits.timeoutMs} ms and was stopped`
    return done({ ok: false, text }, 'timed_out')
  } catch (error) {
    if (error instanceof OpenExecError && TOOL_ERRORS.has(error.code))
      return done(
        { ok: false, text: textOf(error) },
        error.code === 'timed_out' ? 'timed_out' : undefined,
      )
    throw error
  }
}

/** Keeps the whole output where it is long, and makes the answer. */
export async function settleCall(context: ToolContext, run: RunCall): Promise<ToolResult> {
  const { call, tool, output, failure, durationMs } = run
  const outputBytes = Buffer.byteLength(output.text)
  const cut = truncate(output.text, tool.limits.shownBytesMax)
  const facts = { failure, durationMs, outputBytes, finish: output.finish }
  if (cut === undefined) return answer(call, { ...facts, text: output.text })
  const kept = await context.saveOutput(`${tool.name}-output`, Buffer.from(output.text))
  const gap = `[${cut.elidedBytes} of ${outputBytes} bytes are left out here; read_artifact with sha256 "${kept.sha256}" shows them]`
  return answer(call, { ...facts, kept, text: `${cut.head}\n${gap}\n${cut.tail}` })
}

/** Cut without regard to characters: whatever shows this text cuts it again, with care. */
function capped(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text
  return Buffer.from(text)
    .subarray(0, bytesMax)
    .toString('utf8')
    .replace(/\uFFFD$/, '')
}

/** Failures of one call; any other says that the stage itself cannot go on. */
const TOOL_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'bad_request',
  'not_found',
  'conflict',
  'patch_rejected',
  'policy_denied',
  'timed_out',
  'command_not_startable',
  'sandbox_failed',
])

function checkArguments(
  tool: Tool,
  args: JsonValue,
): { ok: true; request: unknown } | { ok: false; text: string } {
  const refuse = (text: string) => ({ ok: false as const, text: repairMessage(tool, text) })
  if (!withinDepth(args, ARGS_DEPTH_MAX)) return refuse(`They nest deeper than ${ARGS_DEPTH_MAX}`)
  const size = Buffer.byteLength(JSON.stringify(args))
  if (size > tool.limits.argsBytesMax)
    return refuse(`They have ${size} bytes, more than ${tool.limits.argsBytesMax}`)
  const parsed = tool.input.safeParse(args)
  if (parsed.success) return { ok: true, request: args }
  const issues = parsed.error.issues.slice(0, 5)
  return refuse(
    issues.map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`).join('\n'),
  )
}

function* accessesOf(tool: Tool, request: unknown) {
  try {
    const seen = new Set<string>()
    for (const access of tool.accesses(request)) {
      const key = canonicalJson(access)
      if (!seen.has(key)) yield access
      seen.add(key)
    }
  } catch (error) {
    if (!(error instanceof OpenExecError) || !TOOL_ERRORS.has(error.code)) throw error
    yield { failed: textOf(error) }
  }
}

function refusal(name: string, decision: PolicyDecision): string {
  const { capability, reason, matched } = decision
  const verb = decision.decision === 'block' ? 'Policy blocks' : 'Only with an approval can'
  return `${verb} "${name}" (${capability}): ${reason} [${matched.join(', ')}]. Trying again will not help.`
}

function textOf(error: OpenExecError): string {
  return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`
}

function answer(
  call: ToolCall,
  part: Partial<ToolResult> & Pick<ToolResult, 'failure' | 'text'>,
): ToolResult {
  return {
    callId: call.id,
    name: call.name,
    ok: part.failure === undefined,
    kept: undefined,
    outputBytes: Buffer.byteLength(part.text),
    finish: undefined,
    durationMs: 0,
    ...part,
  }
}
