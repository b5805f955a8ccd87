/**
 * What a request asks for: by rules where they are sure, else by what labelled requests had in
 * common, else nothing. Where both are sure of different things, neither is believed.
 */
import type { Plan } from '../schema/index.ts'
import { classify } from './classifier.ts'
import type { Clue, IntentKind } from './rules.ts'
import type { Kind } from './weights.ts'

export interface Decided {
  /** `undefined` when nothing is sure enough to act on. */
  kind: Kind | undefined
  confidence: number
  intent: Plan['intent']
  decidedBy: 'rule' | 'classifier' | 'local_llm' | 'fallback'
  reasons: string[]
}

/** Below this the rules do not decide. */
const CONFIDENCE_MIN = 0.6
/** A kind is not decided by weak signs alone, however many. */
const STRONG_POINTS = 3
const CANDIDATES_SHOWN = 3

export function decideKind(text: string, clues: readonly Clue[]): Decided {
  const { candidates, isSure } = classify(text)
  const likely = candidates[0]
  const ruled = ruledKind(clues)
  const intent = {
    kind: ruled?.kind ?? likely?.kind ?? 'unknown',
    candidates: candidates.slice(0, CANDIDATES_SHOWN),
  }
  const isAgreed = likely === undefined || !isSure || likely.kind === ruled?.kind
  if (ruled !== undefined && isAgreed) return { ...ruled, intent, decidedBy: 'rule', reasons: [] }
  if (ruled !== undefined && likely !== undefined)
    return undecided(
      intent,
      `rules say ${ruled.kind} and examples ${likely.kind}, so nothing is changed`,
    )
  if (likely === undefined || !isSure || text.trim() === '')
    return undecided(intent, 'neither rules nor examples are sure, so nothing is changed')
  return {
    kind: likely.kind,
    confidence: likely.score,
    intent: { ...intent, kind: likely.kind },
    decidedBy: 'classifier',
    reasons: [`like labelled requests of kind ${likely.kind}`],
  }
}

function undecided(intent: Plan['intent'], reason: string): Decided {
  return { kind: undefined, confidence: 0, intent, decidedBy: 'fallback', reasons: [reason] }
}

function ruledKind(clues: readonly Clue[]): { kind: IntentKind; confidence: number } | undefined {
  const points = new Map<IntentKind, number>()
  for (const { kind, points: more } of clues) points.set(kind, (points.get(kind) ?? 0) + more)
  const total = [...points.values()].reduce((sum, more) => sum + more, 0)
  const [best, second] = [...points]
    .map(([kind, own]) => ({ kind, own, score: Math.round((own / total) * 1000) / 1000 }))
    .sort((a, b) => b.score - a.score || (a.kind < b.kind ? -1 : 1))
  if (best === undefined || best.score < CONFIDENCE_MIN || best.score === second?.score)
    return undefined
  return best.own < STRONG_POINTS ? undefined : { kind: best.kind, confidence: best.score }
}
