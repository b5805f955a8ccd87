/**
 * From a request in words to a plan: flags first, then rules, and where neither is sure the safe
 * fallback, which reads and answers and changes nothing. The router never widens what policy allows;
 * being sure gives it no more authority, being unsure less. Deterministic: equal input, equal plan.
 */
import { hashJson, type Plan } from '../schema/index.ts'
import { type Clue, cluesOf, type IntentKind } from './rules.ts'
import { sensitivityOf } from './sensitivity.ts'

export const ROUTER_VERSION = 'rules-1'

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

const TARGETS: Record<IntentKind, Target> = {
  question: FALLBACK,
  bugfix: { mode: 'run', blueprint: 'backend_bugfix', toolset: 'coding_backend' },
  change: { mode: 'run', blueprint: 'scoped_code_change', toolset: 'coding_backend' },
  ci_failure: { mode: 'run', blueprint: 'debug_ci_failure', toolset: 'debug_ci' },
  check: { mode: 'run', blueprint: 'check', toolset: 'repo_readonly' },
}

/** Below this the rules do not decide. */
const CONFIDENCE_MIN = 0.6
/** Characters of a request that are looked at. */
const TEXT_MAX = 20_000
const PATHS_MAX = 50

const FRONTEND = /\.(?:css|scss|less|html|vue|svelte|jsx|tsx)$/

export function routeRequest(input: RouteInput): Plan {
  const text = input.text.slice(0, TEXT_MAX)
  const clues = cluesOf(text)
  const paths = pathsOf(text)
  const candidates = candidatesOf(clues)
  const [best, second] = candidates
  const margin = (best?.score ?? 0) - (second?.score ?? 0)
  const sure = best !== undefined && margin > 0 && best.score >= CONFIDENCE_MIN
  const target = sure ? forPaths(TARGETS[best.kind], paths) : FALLBACK
  const known =
    target.blueprint === FALLBACK.blueprint || input.blueprints.includes(target.blueprint)
  const chosen = known ? target : FALLBACK
  const flagged = [input.blueprint, input.toolset, input.mode].some((flag) => flag !== undefined)
  const sensitivity = sensitivityOf(text, paths)
  const plan: Omit<Plan, 'plan_hash'> = {
    mode: input.mode ?? (input.blueprint === undefined ? chosen.mode : 'run'),
    blueprint: input.blueprint ?? chosen.blueprint,
    toolset: input.toolset ?? chosen.toolset,
    repo_zones: [...new Set(paths.map((path) => path.split('/')[0] ?? path))].sort(),
    knowledge_sources: ['repository'],
    sensitivity: sensitivity.level,
    needs_frontier_model: chosen.mode === 'run' && sensitivity.level !== 'high',
    confidence: flagged ? 1 : sure && known ? best.score : 0,
    intent: { kind: best?.kind ?? 'unknown', candidates },
    decided_by: flagged ? 'flag' : sure && known ? 'rule' : 'fallback',
    reasons: [...reasonsOf(input, clues, { sure, known, target }), ...sensitivity.reasons],
    router_version: ROUTER_VERSION,
  }
  return { ...plan, plan_hash: hashJson(plan) }
}

function candidatesOf(clues: readonly Clue[]): { kind: IntentKind; score: number }[] {
  const points = new Map<IntentKind, number>()
  for (const { kind, points: more } of clues) points.set(kind, (points.get(kind) ?? 0) + more)
  const total = [...points.values()].reduce((sum, more) => sum + more, 0)
  return [...points]
    .map(([kind, own]) => ({ kind, score: Math.round((own / total) * 1000) / 1000 }))
    .sort((a, b) => b.score - a.score || (a.kind < b.kind ? -1 : 1))
}

function reasonsOf(
  input: RouteInput,
  clues: readonly Clue[],
  { sure, known, target }: { sure: boolean; known: boolean; target: Target },
): string[] {
  const flags = (['blueprint', 'toolset', 'mode'] as const).flatMap((name) =>
    input[name] === undefined ? [] : [`${name} "${input[name]}" was asked for`],
  )
  const seen = clues.map(({ kind, reason }) => `${kind}: ${reason}`)
  const fallback = sure
    ? known
      ? []
      : [`there is no blueprint "${target.blueprint}", so nothing is changed`]
    : ['no rule is sure, so nothing is changed']
  return [...flags, ...seen, ...(flags.length > 0 ? [] : fallback)]
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
