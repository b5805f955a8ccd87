/**
 * Exact replay: the record of a run gone through again, with the real reducer, policy, agent loop and
 * hashes, and without engine, model or network. What the program decides is decided again; what the
 * world answered (commands, sandboxes, files, people) is taken from the record. The chain made anew
 * must have every hash of the one that is stored.
 */
import { chainHash, CHAIN_START } from '../events/index.ts'
import { canonicalJson, type Event } from '../schema/index.ts'
import { createDecider } from './replay-decisions.ts'
import type { Expected } from './replay-expected.ts'
import type { ReplayInput } from './replay-stage.ts'

interface Divergence {
  seq: number
  type: string
  stage: string | null
  /** What does not fit: a member of the payload, or the place of the event. */
  at: string
  /** As JSON. */
  recorded: string
  replayed: string
}

export interface ReplayReport {
  ok: boolean
  events: number
  /** Events whose payload the program made again, whole. */
  remade: number
  /** Events that tell what the world did. */
  recorded: number
  /** Agent stages that were gone through again. */
  agents: number
  replayHash: string
  divergence: Divergence | null
  /** Attempts that could not be gone through again, and why. */
  notes: string[]
}

export async function replayRun(input: ReplayInput): Promise<ReplayReport> {
  const decider = createDecider(input)
  const report: ReplayReport = {
    ok: true,
    events: 0,
    remade: 0,
    recorded: 0,
    agents: 0,
    replayHash: CHAIN_START,
    divergence: null,
    notes: decider.notes,
  }
  for (const event of input.events) {
    report.events += 1
    const expected = await decider.expect(event)
    const divergence = expected === undefined ? undefined : divergenceOf(event, expected)
    const payload = { ...event.payload, ...expected?.payload }
    const hash = chainHash({ ...event, payload }, report.replayHash)
    report.agents = decider.agents()
    if (divergence !== undefined) return { ...report, ok: false, divergence }
    if (hash !== event.replayHash)
      return {
        ...report,
        ok: false,
        divergence: differs(event, 'replayHash', [event.replayHash, hash]),
      }
    if (expected?.whole === true) report.remade += 1
    else report.recorded += 1
    report.replayHash = hash
    decider.take(event)
  }
  return report
}

function divergenceOf(
  event: Event,
  { stage, attempt, payload, whole }: Expected,
): Divergence | undefined {
  if (stage !== undefined && stage !== event.stage)
    return differs(event, 'stage', [event.stage, stage])
  if (attempt !== undefined && attempt !== event.attempt)
    return differs(event, 'attempt', [event.attempt, attempt])
  const all = [...Object.keys(payload), ...Object.keys(event.payload)]
  for (const name of new Set(whole ? all : Object.keys(payload))) {
    const pair = [event.payload[name], payload[name]] as const
    if (textOf(pair[0]) !== textOf(pair[1])) return differs(event, name, pair)
  }
  return undefined
}

function differs(
  { seq, type, stage }: Event,
  at: string,
  [recorded, replayed]: readonly [unknown, unknown],
): Divergence {
  const texts = { recorded: textOf(recorded), replayed: textOf(replayed) }
  return { seq, type, stage: stage ?? null, at, ...texts }
}

function textOf(value: unknown): string {
  return canonicalJson(value ?? null)
}
