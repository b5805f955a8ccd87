/** What the timeline is told of a stage. Large values stand for themselves by hash and size. */
import { createHash } from 'node:crypto'
import {
  canonicalJson,
  type JsonValue,
  type ModelRequest,
  type ModelResponse,
  type NewEvent,
} from '../schema/index.ts'
import type { Model, ModelFailure, Retry } from '../model/index.ts'
import type { ToolCall, ToolResult } from '../tools/index.ts'

/** Bytes of arguments that stand in an event as they are. */
const ARGS_BYTES_MAX = 2048
const MESSAGE_MAX = 4000

type Identity = Pick<Model, 'provider' | 'model'>

export function answeredEvent(
  request: ModelRequest,
  { response, durationMs }: { response: ModelResponse; durationMs: number },
): NewEvent {
  const { provider, model, usage, stopReason, toolCalls } = response
  return {
    type: 'model_invocation',
    payload: {
      ok: true,
      provider,
      model,
      request_sha256: hashOf(request),
      response_sha256: hashOf(response),
      stop_reason: stopReason,
      tool_calls: toolCalls.length,
      usage,
    },
    volatile: { duration_ms: Math.round(durationMs) },
  }
}

export function failedEvent(
  request: ModelRequest,
  { provider, model }: Identity,
  failure: ModelFailure,
): NewEvent {
  return {
    type: 'model_invocation',
    payload: {
      ok: false,
      provider,
      model,
      request_sha256: hashOf(request),
      ...failurePayload(failure),
    },
  }
}

export function retryEvent(
  request: ModelRequest,
  { provider, model }: Identity,
  { attempt, failure, waitMs }: Retry,
): NewEvent {
  return {
    type: 'model_invocation',
    payload: {
      ok: false,
      provider,
      model,
      request_sha256: hashOf(request),
      ...failurePayload(failure),
      retry: { attempt, wait_ms: waitMs },
    },
  }
}

export function toolCallEvent(call: ToolCall, result: ToolResult): NewEvent {
  const { ok, failure, kept, text, outputBytes, durationMs } = result
  return {
    type: 'tool_call',
    payload: {
      call: call.id,
      tool: call.name.slice(0, 100),
      args: eventArgs(call.args),
      ok,
      ...(failure === undefined ? {} : { failure, message: text.slice(0, MESSAGE_MAX) }),
      result_sha256: hashOf(text),
      output_bytes: outputBytes,
      ...(kept === undefined ? {} : { output_sha256: kept.sha256 }),
    },
    volatile: { duration_ms: Math.round(durationMs) },
  }
}

export function viewEvent(messages: number, elided: readonly string[]): NewEvent {
  return { type: 'context_view', payload: { messages, elided: [...elided] } }
}

/** Sha256 of a value as canonical JSON; texts as they are, and what has no canonical form as it is. */
function hashOf(value: unknown): string {
  const text = typeof value === 'string' ? value : jsonOf(value)
  return createHash('sha256').update(text).digest('hex')
}

function jsonOf(value: unknown): string {
  try {
    return canonicalJson(value)
  } catch {
    return JSON.stringify(value)
  }
}

/** Small arguments as they are; large ones, and numbers JSON cannot carry exactly, by hash. */
function eventArgs(args: JsonValue): JsonValue {
  const text = JSON.stringify(args)
  const size = Buffer.byteLength(text)
  const reference = { sha256: hashOf(text), size }
  if (size > ARGS_BYTES_MAX) return reference
  try {
    canonicalJson(args)
    return args
  } catch {
    return reference
  }
}

function failurePayload({ class: failureClass, status, message, ...rest }: ModelFailure) {
  const { charged, retryAfterMs } = rest
  return {
    class: failureClass,
    charged,
    ...(status === undefined ? {} : { status }),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: Math.round(retryAfterMs) }),
    message: message.slice(0, MESSAGE_MAX),
  }
}
