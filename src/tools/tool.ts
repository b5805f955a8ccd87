/**
 * The contract of a tool: what a model may call, what the call touches, how large it may grow.
 *
 * A tool never asks for permission and never truncates: the harness does both, once, for all of
 * them. What a call touches is derived from its checked arguments, never from a model's words.
 */
import { z } from 'zod'
import type { Sandbox } from '../sandbox/index.ts'
import type {
  Capability,
  JsonObject,
  PolicyDecision,
  PolicyRequest,
  Resource,
} from '../schema/index.ts'
import type { Toolset } from './toolset.ts'

export type GateRequest = Omit<PolicyRequest, 'mode' | 'stage'>

/** One path that differs from the base of the run. */
interface ChangedPath {
  path: string
  status: string
}

/** How a named action ended, in words that are the same for the same outcome. */
export interface ActionOutcome {
  ok: boolean
  text: string
}

/** All that tools may touch. Its owner decides and records permission; the rest only obeys. */
export interface ToolContext {
  toolset: Toolset
  /** Tools of this run alone, beside those of the toolset. */
  extras: readonly Tool[]
  sandbox: Sandbox
  /** Decides one access and records the decision. */
  gate(request: GateRequest): Promise<PolicyDecision>
  /** Whether path rules let this path be read; asks nothing, records nothing. */
  mayRead(path: string): boolean
  /** What differs between the base of the run and the workspace as it is. */
  changes(): Promise<readonly ChangedPath[]>
  /** The same as a patch that `git apply` takes. */
  patch(): Promise<Uint8Array>
  /** History of the base, newest first, as text. */
  log(limit: number): Promise<string>
  runAction(name: string): Promise<ActionOutcome>
  /** Keeps a whole output of which the model only sees a part. */
  saveOutput(name: string, bytes: Uint8Array): Promise<{ id: string; sha256: string }>
  /** A part of an output that this run has kept; `undefined` when there is none of that hash. */
  readArtifact(
    sha256: string,
    range: { offset: number; length: number },
  ): Promise<{ bytes: Uint8Array; size: number } | undefined>
  signal: AbortSignal
  /** Monotonic `ms`. */
  now(): number
}

/** One thing a call needs; all of them must be allowed. */
export interface Access {
  capability: Capability
  resource: Resource
}

export interface FinishRequest {
  status: 'done' | 'failed' | 'blocked'
  summary: string
}

export interface ToolOutput {
  ok: boolean
  /** Everything there is to say; the harness cuts it. */
  text: string
  /** Set by `finish` alone. */
  finish?: FinishRequest
}

export interface ToolLimits {
  /** `ms` of one call. */
  timeoutMs: number
  /** Bytes of arguments as JSON. */
  argsBytesMax: number
  /** Bytes of output that are taken; what comes after is not read. */
  outputBytesMax: number
  /** Bytes of output that the model sees. */
  shownBytesMax: number
}

export interface ToolDefinition<Input extends z.ZodType> {
  name: string
  description: string
  input: Input
  /** The widest thing it needs; for lists of tools and for toolsets. */
  capability: Capability
  /** Reads may run side by side; writes run alone, in order. */
  effect: 'read' | 'write'
  limits: ToolLimits
  /** Arguments of a good call, shown beside a refused one. */
  example: JsonObject
  /** What this very call touches. Throws `patch_rejected` when the arguments do not tell. */
  accesses(input: z.output<Input>): readonly Access[]
  execute(context: ToolContext, input: z.output<Input>): Promise<ToolOutput>
}

export interface Tool extends Omit<ToolDefinition<z.ZodType>, 'accesses' | 'execute'> {
  /** JSON Schema of the arguments. */
  parameters: JsonObject
  accesses(request: unknown): readonly Access[]
  execute(context: ToolContext, request: unknown): Promise<ToolOutput>
}

const SECOND = 1000
const KIB = 1024

export const DEFAULT_TOOL_LIMITS: ToolLimits = {
  timeoutMs: 60 * SECOND,
  argsBytesMax: 32 * KIB,
  outputBytesMax: 1024 * KIB,
  shownBytesMax: 16 * KIB,
}

/** A tool whose `execute()` only ever sees arguments its schema has accepted. */
export function defineTool<Input extends z.ZodType>(definition: ToolDefinition<Input>): Tool {
  const { input } = definition
  const { $schema: _schema, ...parameters } = z.toJSONSchema(input, { io: 'input' })
  return {
    ...definition,
    // A JSON Schema is JSON by definition; zod types it with members it leaves undefined.
    parameters: parameters as JsonObject,
    accesses: (request) => definition.accesses(input.parse(request)),
    execute: (context, request) => definition.execute(context, input.parse(request)),
  }
}

/** Reading at a path; the repository as a whole has no path to match a rule with. */
export function readAccess(path: string): Access {
  const resource: Resource =
    path === '.' ? { kind: 'none' } : { kind: 'path', path, access: 'read' }
  return { capability: 'repo_read', resource }
}

/** Changing a file also shows it: what does not match is shown with what is there. */
export function changeAccesses(path: string): readonly Access[] {
  return [
    readAccess(path),
    { capability: 'repo_write', resource: { kind: 'path', path, access: 'write' } },
  ]
}
