/**
 * What a request is about, by what labelled requests had in common: logistic regression over hashed
 * features, its weights as bytes. Calibrated, so that 0.9 means nine of ten; what is below the
 * threshold is no answer.
 */
import { BUCKETS, featuresOf, isFamiliar } from './features.ts'
import { type Kind, KINDS, SCALE, TEMPERATURE, THRESHOLD, WEIGHTS } from './weights.ts'

interface Classified {
  /** Likeliest first. */
  candidates: { kind: Kind; score: number }[]
  /** Whether the first is likely enough to act on. */
  isSure: boolean
}

const weights = new Int8Array(Buffer.from(WEIGHTS, 'base64'))

export function classify(text: string): Classified {
  const features = featuresOf(text)
  const norm = 1 / Math.sqrt(Math.max(1, features.length))
  const logits = KINDS.map((_, kind) => {
    const sum = features.reduce((total, at) => total + (weights[kind * BUCKETS + at] ?? 0), 0)
    return (
      (sum * norm * SCALE + (weights[KINDS.length * BUCKETS + kind] ?? 0) * SCALE) / TEMPERATURE
    )
  })
  const most = Math.max(...logits)
  const powers = logits.map((logit) => Math.exp(logit - most))
  const total = powers.reduce((sum, power) => sum + power, 0)
  const candidates = KINDS.map((kind, at) => ({
    kind,
    score: Math.round(((powers[at] ?? 0) / total) * 1000) / 1000,
  })).sort((a, b) => b.score - a.score || (a.kind < b.kind ? -1 : 1))
  return { candidates, isSure: (candidates[0]?.score ?? 0) >= THRESHOLD && isFamiliar(text) }
}
