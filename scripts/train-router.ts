/**
 * Makes `src/router/weights.ts` from the labelled requests, and says how good that is on requests it
 * was not trained on. No chance takes part: the same requests give the same weights.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUCKETS, featuresOf } from '../src/router/features.ts'
import { projectRoot } from './setup/project-root.ts'

const KINDS = ['bugfix', 'change', 'check', 'ci_failure', 'other', 'question'] as const
const ROUNDS = 200
const RATE = 2
const DECAY = 0.003
const FOLDS = 8
/** Of what is acted on, this part shall be right. */
const PRECISION = 0.93

interface Sample {
  kind: number
  features: readonly number[]
}

interface Model {
  weights: Float64Array
  bias: Float64Array
}

const promptsFile = join(projectRoot, 'src/router/training/prompts.txt')
const source = readFileSync(promptsFile, 'utf8')
const samples = readSamples(source)
const { temperature, threshold, accuracy, sure, precision } = measure()
write(train(samples))
console.log(
  `${samples.length} requests; of ${FOLDS} parts left out in turn: accuracy ${percent(accuracy)}, ` +
    `sure ${percent(sure)} and then right ${percent(precision)}; temperature ${temperature}, threshold ${threshold}`,
)

function readSamples(text: string): Sample[] {
  let kind = -1
  return text.split('\n').flatMap((line) => {
    const label = /^\[(\w+)\]$/.exec(line)?.[1]
    if (label !== undefined) kind = KINDS.findIndex((known) => known === label)
    return label !== undefined || line.trim() === '' ? [] : [{ kind, features: featuresOf(line) }]
  })
}

function train(from: readonly Sample[]): Model {
  const model = {
    weights: new Float64Array(KINDS.length * BUCKETS),
    bias: new Float64Array(KINDS.length),
  }
  const counts = KINDS.map((_, kind) => from.filter((sample) => sample.kind === kind).length)
  for (let round = 0; round < ROUNDS; round++) {
    const rate = RATE / (1 + round / 60)
    for (let at = 0; at < model.weights.length; at++)
      model.weights[at] = (model.weights[at] ?? 0) * (1 - rate * DECAY)
    for (const { kind, features } of from) {
      const norm = 1 / Math.sqrt(features.length)
      const odds = softmax(logitsOf(model, features))
      // Kinds with few requests count as much as others.
      const share = rate / ((counts[kind] ?? 1) * KINDS.length)
      for (const [other, odd] of odds.entries()) {
        const step = share * ((other === kind ? 1 : 0) - odd)
        model.bias[other] = (model.bias[other] ?? 0) + step * 0.1
        for (const feature of features) {
          const place = other * BUCKETS + feature
          model.weights[place] = (model.weights[place] ?? 0) + step * norm * 10
        }
      }
    }
  }
  return model
}

function logitsOf({ weights, bias }: Model, features: readonly number[]): number[] {
  const norm = 1 / Math.sqrt(Math.max(1, features.length))
  return KINDS.map(
    (_, kind) =>
      features.reduce((sum, at) => sum + (weights[kind * BUCKETS + at] ?? 0), 0) * norm +
      (bias[kind] ?? 0),
  )
}

function softmax(logits: readonly number[], by = 1): number[] {
  const most = Math.max(...logits)
  const powers = logits.map((logit) => Math.exp((logit - most) / by))
  const total = powers.reduce((sum, power) => sum + power, 0)
  return powers.map((power) => power / total)
}

/** Each part is judged by a model that has not seen it; the temperature and threshold follow. */
function measure() {
  const judged = Array.from({ length: FOLDS }, (_, fold) => {
    const model = train(samples.filter((_sample, at) => at % FOLDS !== fold))
    return samples
      .filter((_sample, at) => at % FOLDS === fold)
      .map(({ kind, features }) => ({ kind, logits: logitsOf(model, features) }))
  }).flat()
  const loss = (by: number) =>
    judged.reduce((sum, { kind, logits }) => sum - Math.log(softmax(logits, by)[kind] ?? 1e-9), 0)
  const best = range(0.3, 4, 0.05).reduce((a, b) => (loss(b) < loss(a) ? b : a))
  const tops = judged.map(({ kind, logits }) => {
    const odds = softmax(logits, best)
    const score = Math.max(...odds)
    return { right: odds.indexOf(score) === kind, score }
  })
  const rightAbove = (least: number) => {
    const above = tops.filter(({ score }) => score >= least)
    return above.filter(({ right }) => right).length / Math.max(1, above.length)
  }
  const least = range(0.4, 0.99, 0.01).find((value) => rightAbove(value) >= PRECISION) ?? 0.99
  return {
    temperature: rounded(best),
    threshold: rounded(least),
    accuracy: tops.filter(({ right }) => right).length / tops.length,
    sure: tops.filter(({ score }) => score >= least).length / tops.length,
    precision: rightAbove(least),
  }
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, at) => from + at * step)
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}

function write({ weights, bias }: Model): void {
  const all = [...weights, ...bias]
  const scale = Math.max(...all.map(Math.abs)) / 127
  const bytes = Buffer.from(Int8Array.from(all.map((value) => Math.round(value / scale))).buffer)
  const hash = createHash('sha256').update(source).digest('hex')
  writeFileSync(
    join(projectRoot, 'src/router/weights.ts'),
    `/** Made by \`node scripts/train-router.ts\` from \`training/prompts.txt\`; not edited by hand. */
export const KINDS = [${KINDS.map((kind) => `'${kind}'`).join(', ')}] as const
export type Kind = (typeof KINDS)[number]
/** Of the labelled requests. */
export const TRAINED_ON = '${hash}'
export const TEMPERATURE = ${temperature}
export const THRESHOLD = ${threshold}
export const SCALE = ${scale}
/** One byte for each kind and bucket, then one bias for each kind. */
export const WEIGHTS =
  '${bytes.toString('base64')}'
`,
  )
}
