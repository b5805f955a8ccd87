/**
 * Where two runs part: their timelines side by side, aligned by stage, attempt and kind of event, and
 * held against each other by what a repetition must repeat. What is bound to the moment (times, ids,
 * the policy hash of another version) is not looked at.
 */
import { canonicalJson, type Event, type JsonValue } from '../schema/index.ts'

interface ComparedStage {
  /** `stage.attempt` */
  attempt: string
  /** Verdicts; `null` where the run had no such attempt. */
  verdicts: readonly [string | null, string | null]
}

interface EventDifference {
  /** `seq` in each run; `null` where it has no such event. */
  seqs: readonly [number | null, number | null]
  type: string
  stage: string | null
  attempt: number | null
  /** Members of the payload that differ, with what each run has. */
  members: { name: string; values: readonly [JsonValue, JsonValue] }[]
}

export interface Comparison {
  same: boolean
  stages: ComparedStage[]
  /** The first place, in the order of the first run. */
  first: EventDifference | null
  /** Events that differ, or that one run alone has. */
  differing: number
}

export function compareEvents(one: readonly Event[], other: readonly Event[]): Comparison {
  const sides = [placed(one), placed(other)] as const
  const keys = [...new Set([...sides[0].keys(), ...sides[1].keys()])]
  const differences = keys.flatMap((key) => differenceOf(sides[0].get(key), sides[1].get(key)))
  const order = ({ seqs: [a, b] }: EventDifference) => a ?? b ?? 0
  const sorted = differences.toSorted((a, b) => order(a) - order(b))
  return {
    same: sorted.length === 0,
    stages: stagesOf(one, other),
    first: sorted[0] ?? null,
    differing: sorted.length,
  }
}

/** By stage, attempt, type and the how-manieth of these it is. */
function placed(events: readonly Event[]): Map<string, Event> {
  const counts = new Map<string, number>()
  return new Map(
    events.map((event) => {
      const { stage = '', attempt = 0, type } = event
      const place = `${stage} ${attempt} ${type}`
      const count = (counts.get(place) ?? 0) + 1
      counts.set(place, count)
      return [`${place} ${count}`, event]
    }),
  )
}

/** What names the moment, the machine or the version rather than what was done. */
const BY_THE_WAY: ReadonlySet<string> = new Set(['policy', 'input_hash'])

function differenceOf(a: Event | undefined, b: Event | undefined): EventDifference[] {
  const event = a ?? b
  if (event === undefined) return []
  const names = new Set([...Object.keys(a?.payload ?? {}), ...Object.keys(b?.payload ?? {})])
  const members = [...names].sort().flatMap((name) => {
    const values = [a?.payload[name] ?? null, b?.payload[name] ?? null] as const
    const isSame = canonicalJson(values[0]) === canonicalJson(values[1])
    return isSame || BY_THE_WAY.has(name) ? [] : [{ name, values }]
  })
  if (a !== undefined && b !== undefined && members.length === 0) return []
  const { type, stage = null, attempt = null } = event
  return [{ seqs: [a?.seq ?? null, b?.seq ?? null], type, stage, attempt, members }]
}

function stagesOf(one: readonly Event[], other: readonly Event[]): ComparedStage[] {
  const verdicts = [verdictsOf(one), verdictsOf(other)] as const
  const attempts = new Set([...verdicts[0].keys(), ...verdicts[1].keys()])
  return [...attempts].map((attempt) => ({
    attempt,
    verdicts: [verdicts[0].get(attempt) ?? null, verdicts[1].get(attempt) ?? null],
  }))
}

function verdictsOf(events: readonly Event[]): Map<string, string> {
  return new Map(
    events
      .filter(({ type }) => type === 'step_completed')
      .map(({ stage, attempt, payload: { verdict } }) => [
        `${stage}.${attempt}`,
        typeof verdict === 'string' ? verdict : '',
      ]),
  )
}
