/**
 * From a request in words to a plan: flags first, then rules, then a classifier, then a local model
 * where one is configured, and where none is sure the safe fallback, which reads and answers and
 * changes nothing. The router never widens what policy allows; being sure gives it no more authority,
 * being unsure less. But for the local model's word, equal input gives an equal plan.
 */
import { hashJson, type Plan } from '../schema/index.ts'
import { type Decided, decideKind } from './decide.ts'
import { askEndpoint, type Endpoint } from './local-endpoint.ts'
import { cluesOf } from './rules.ts'
import { sensitivityOf } from './sensitivity.ts'
import type { Kind } from './weights.ts'

const ROUTER_VERSION = 'rules-classifier-2'

export interface RouteInput {
  text: string
  /** What the caller has decided; `undefined` where nothing. */
  blueprint: string | undefined
  toolset: string | undefined
  mode: Plan['mode'] | undefined
  /** Blueprints there are: nothing else can be chosen. */
  blueprints: readonly string[]
}

interface Target {
  mode: Plan['mode']
  blueprint: string
  toolset: string
}

const FALLBACK: Target = { mode: 'chat', blueprint: 'chat', toolset: 'repo_readonly' }

const TARGETS: Record<Kind, Target> = {
  question: FALLBACK,
  other: FALLBACK,
  bugfix: { mode: 'run', blueprint: 'backend_bugfix', toolset: 'coding_backend' },
  change: { mode: 'run', blueprint: 'scoped_code_change', toolset: 'coding_backend' },
  ci_failure: { mode: 'run', blueprint: 'debug_ci_failure', toolset: 'debug_ci' },
  check: { mode: 'run', blueprint: 'check', toolset: 'repo_readonly' },
}

/** Characters of a request that are looked at. */
const TEXT_MAX = 20_000
const PATHS_MAX = 50

const FRONTEND = /\.(?:css|scss|less|html|vue|svelte|jsx|tsx)$/

/** The plan by flags, rules and classifier. */
export function routeRequest(input: RouteInput): Plan {
  const text = input.text.slice(0, TEXT_MAX)
  return planFor(input, decideKind(text, cluesOf(text)))
}

/** The same, and where nothing is sure a model on this machine is asked for the kind. */
export async function routeWithEndpoint(
  input: RouteInput,
  endpoint: Endpoint | undefined,
  signal: AbortSignal,
): Promise<Plan> {
  const text = input.text.slice(0, TEXT_MAX)
  const decided = decideKind(text, cluesOf(text))
  if (decided.kind !== undefined || endpoint === undefined || flagsOf(input).length > 0)
    return planFor(input, decided)
  const answer = await askEndpoint(endpoint, text, signal)
  if (answer.kind === undefined)
    return planFor(input, { ...decided, reasons: [...decided.reasons, answer.reason] })
  return planFor(input, {
    kind: answer.kind,
    // A word of a model that says nothing of how sure it is.
    confidence: 0.5,
    intent: { ...decided.intent, kind: answer.kind },
    decidedBy: 'local_llm',
    reasons: [answer.reason],
  })
}

function planFor(input: RouteInput, decided: Decided): Plan {
  const text = input.text.slice(0, TEXT_MAX)
  const paths = pathsOf(text)
  const { target, confidence, decidedBy, reasons } = targetOf(decided, {
    paths,
    blueprints: input.blueprints,
  })
  const flags = flagsOf(input)
  const sensitivity = sensitivityOf(text, paths)
  const clues = cluesOf(text).map(({ kind, reason }) => `${kind}: ${reason}`)
  const plan: Omit<Plan, 'plan_hash'> = {
    mode: input.mode ?? (input.blueprint === undefined ? target.mode : 'run'),
    blueprint: input.blueprint ?? target.blueprint,
    toolset: input.toolset ?? target.toolset,
    repo_zones: [...new Set(paths.map((path) => path.split('/')[0] ?? path))].sort(),
    knowledge_sources: ['repository'],
    sensitivity: sensitivity.level,
    needs_frontier_model: target.mode === 'run' && sensitivity.level !== 'high',
    confidence: flags.length > 0 ? 1 : confidence,
    intent: decided.intent,
    decided_by: flags.length > 0 ? 'flag' : decidedBy,
    reasons: [...flags, ...clues, ...(flags.length > 0 ? [] : reasons), ...sensitivity.reasons],
    router_version: ROUTER_VERSION,
  }
  return { ...plan, plan_hash: hashJson(plan) }
}

function targetOf(
  { kind, confidence, decidedBy, reasons }: Decided,
  { paths, blueprints }: { paths: readonly string[]; blueprints: readonly string[] },
): Pick<Decided, 'confidence' | 'decidedBy' | 'reasons'> & { target: Target } {
  const target = kind === undefined ? FALLBACK : forPaths(TARGETS[kind], paths)
  if (target.mode === 'chat' || blueprints.includes(target.blueprint))
    return { target, confidence, decidedBy, reasons }
  const missing = `there is no blueprint "${target.blueprint}", so nothing is changed`
  return { target: FALLBACK, confidence: 0, decidedBy: 'fallback', reasons: [...reasons, missing] }
}

function flagsOf(input: RouteInput): string[] {
  return (['blueprint', 'toolset', 'mode'] as const).flatMap((name) =>
    input[name] === undefined ? [] : [`${name} "${input[name]}" was asked for`],
  )
}

/** Files named in the text, sorted. */
function pathsOf(text: string): string[] {
  const found = text.match(/(?:[\w@.-]{1,100}\/){0,20}[\w@-]{0,100}\.[A-Za-z][\w.]{0,15}/g) ?? []
  const files = found.filter((path) => path.includes('/') || /^[\w@-]*\.\w{1,10}$/.test(path))
  return [...new Set(files)].sort().slice(0, PATHS_MAX)
}

function forPaths(target: Target, paths: readonly string[]): Target {
  const frontend = paths.length > 0 && paths.every((path) => FRONTEND.test(path))
  return frontend && target.toolset === 'coding_backend'
    ? { ...target, toolset: 'coding_frontend' }
    : target
}
