/**
 * From a request in words to a plan: flags first, then rules, and where neither is sure the safe
 * fallback, which reads and answers and changes nothing. The router never widens what policy allows;
 * being sure gives it no more authority, being unsure less. Deterministic: equal input, equal plan.
 */
import { hashJson, type Plan } from '../schema/index.ts'
import { type Clue, cluesOf, type IntentKind } from './rules.ts'
import { sensitivityOf } from './sensitivity.ts'

const ROUTER_VERSION = 'rules-1'

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
  const { target, ...ruled } = decideByRules(clues, { paths, blueprints: input.blueprints })
  const flags = flagsOf(input)
  const sensitivity = sensitivityOf(text, paths)
  const plan: Omit<Plan, 'plan_hash'> = {
    mode: input.mode ?? (input.blueprint === undefined ? target.mode : 'run'),
    blueprint: input.blueprint ?? target.blueprint,
    toolset: input.toolset ?? target.toolset,
    repo_zones: [...new Set(paths.map((path) => path.split('/')[0] ?? path))].sort(),
    knowledge_sources: ['repository'],
    sensitivity: sensitivity.level,
    needs_frontier_model: target.mode === 'run' && sensitivity.level !== 'high',
    confidence: flags.length > 0 ? 1 : ruled.confidence,
    intent: ruled.intent,
    decided_by: flags.length > 0 ? 'flag' : ruled.decidedBy,
    reasons: [
      ...flags,
      ...clues.map(({ kind, reason }) => `${kind}: ${reason}`),
      ...(flags.length > 0 ? [] : ruled.reasons),
      ...sensitivity.reasons,
    ],
    router_version: ROUTER_VERSION,
  }
  return { ...plan, plan_hash: hashJson(plan) }
}

interface Ruled {
  target: Target
  confidence: number
  intent: Plan['intent']
  decidedBy: 'rule' | 'fallback'
  /** Why it fell back, if it did. */
  reasons: string[]
}

function decideByRules(
  clues: readonly Clue[],
  { paths, blueprints }: { paths: readonly string[]; blueprints: readonly string[] },
): Ruled {
  const candidates = candidatesOf(clues)
  const [best, second] = candidates
  const intent = { kind: best?.kind ?? 'unknown', candidates }
  const fallback = (reason: string): Ruled => ({
    target: FALLBACK,
    confidence: 0,
    intent,
    decidedBy: 'fallback',
    reasons: [reason],
  })
  if (best === undefined || best.score < CONFIDENCE_MIN || best.score === second?.score)
    return fallback('no rule is sure, so nothing is changed')
  const target = forPaths(TARGETS[best.kind], paths)
  if (target !== FALLBACK && !blueprints.includes(target.blueprint))
    return fallback(`there is no blueprint "${target.blueprint}", so nothing is changed`)
  return { target, confidence: best.score, intent, decidedBy: 'rule', reasons: [] }
}

function candidatesOf(clues: readonly Clue[]): { kind: IntentKind; score: number }[] {
  const points = new Map<IntentKind, number>()
  for (const { kind, points: more } of clues) points.set(kind, (points.get(kind) ?? 0) + more)
  const total = [...points.values()].reduce((sum, more) => sum + more, 0)
  return [...points]
    .map(([kind, own]) => ({ kind, score: Math.round((own / total) * 1000) / 1000 }))
    .sort((a, b) => b.score - a.score || (a.kind < b.kind ? -1 : 1))
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
