/** An engine over real state whose world is an object literal: stages end as a script says. */
import { createHash } from 'node:crypto'
import {
  createEngine,
  type Engine,
  type Environment,
  type LoadedRun,
  type StageAttempt,
} from '../../src/blueprint/engine.ts'
import type { Checkpoint, StageOutcome } from '../../src/blueprint/outcome.ts'
import { readBlueprint } from '../../src/blueprint/read.ts'
import { createRedactor, createTimeline, type Timeline } from '../../src/events/index.ts'
import { type Event, GitOid, type Run, type RunId } from '../../src/schema/index.ts'
import { getRun, listSteps, readEvents, type State } from '../../src/state/index.ts'
import { testRegistry } from './blueprints.ts'
import { countingClock, countingIds, openTestState, seedRun } from './state.ts'

export const BASE_TREE = treeOf('base')

/** What one attempt does: it ends so, throws, or is left to the test. */
export type Play =
  | (Partial<StageOutcome> & { verdict: StageOutcome['verdict']; violations?: readonly string[] })
  | { throws: unknown }
  | { perform(attempt: StageAttempt, signal: AbortSignal): Promise<StageOutcome> }

export interface World {
  state: State
  timeline: Timeline
  run: Run
  /** What happened to the environment, in order. */
  log: string[]
  engine(options?: Partial<EngineOptions>): Engine
  execute(options?: Partial<EngineOptions>): Promise<Run>
  events(): Event[]
  ends(): string[]
  [Symbol.dispose](): void
}

interface EngineOptions {
  /** Attempts by `stage.attempt`, else by stage; what is missing succeeds. */
  plays: Readonly<Record<string, Play>>
  state: State
  signal: AbortSignal
  environment: Partial<Environment>
  load(run: Run): Promise<LoadedRun>
  now(): number
}

/** A run of `stages` (YAML) that is queued. */
export function openWorld(stages: string): World {
  const text = `version: 1\nname: test\ndescription: Test\n${stages.trim()}\n`
  const { plan } = readBlueprint({ file: 'test.yaml', text }, testRegistry)
  const state = openTestState()
  const run = seedRun(state, 1, { baseTree: BASE_TREE })
  const [now, newId] = [countingClock(), countingIds()]
  const log: string[] = []
  const redactor = createRedactor([{ name: 'TOKEN', value: 'hunter2-hunter2' }])
  const timelineOver = (over: State) =>
    createTimeline({ state: over, now, redactorOf: () => redactor, mirror: undefined })
  const timeline = timelineOver(state)
  const engine: World['engine'] = (options = {}) => {
    const over = options.state ?? state
    const open = async () => environmentOf(options.plays ?? {}, log, options.environment ?? {})
    return createEngine({
      state: over,
      timeline: over === state ? timeline : timelineOver(over),
      now: options.now ?? now,
      newId,
      redact: (value) => redactor.text(value),
      load: options.load ?? (async () => ({ plan, wallMs: 60_000, open })),
      watch: (_id, { caller }) => ({ signal: caller, stop: () => {} }),
    })
  }
  const never = new AbortController().signal
  return {
    state,
    timeline,
    run,
    log,
    engine,
    execute: (options = {}) => engine(options).executeRun(run.id, options.signal ?? never),
    events: () =>
      readEvents(state.db, run.id, {
        after: 0,
        limit: 1e4,
      }),
    ends: () => endsOf(state, run.id),
    [Symbol.dispose]: () => state[Symbol.dispose](),
  }
}

function environmentOf(
  plays: Readonly<Record<string, Play>>,
  log: string[],
  overrides: Partial<Environment>,
): Environment {
  const playOf = ({ stage, attempt }: StageAttempt): Play =>
    plays[`${stage.id}.${attempt}`] ?? plays[stage.id] ?? { verdict: 'succeeded' }
  return {
    baseTree: BASE_TREE,
    goesOn: undefined,
    async perform(attempt, signal) {
      log.push(`perform ${attempt.stage.id}.${attempt.attempt}`)
      const play = playOf(attempt)
      if ('throws' in play) throw play.throws
      if ('perform' in play) return await play.perform(attempt, signal)
      const { verdict, reason, detail, spent } = play
      return { verdict, reason, detail, spent }
    },
    async checkpoint(attempt): Promise<Checkpoint> {
      const play = playOf(attempt)
      const violations = 'violations' in play ? [...(play.violations ?? [])] : []
      const tree = treeOf(`${attempt.baseTree} ${attempt.stage.id}`)
      return { tree, commit: treeOf(`commit ${tree}`), changed: 1, diff: undefined, violations }
    },
    restore: async (tree) => void log.push(`restore ${tree.slice(0, 7)}`),
    close: async () => void log.push('close'),
    ...overrides,
  }
}

export function treeOf(text: string): GitOid {
  return GitOid.parse(createHash('sha1').update(text).digest('hex'))
}

/** Each attempt with its verdict and reason. */
function endsOf(state: State, id: RunId): string[] {
  return listSteps(state.db, id).map(({ stage, attempt, verdict, reason }) =>
    [`${stage}.${attempt}`, verdict ?? 'open', reason].filter(Boolean).join(' '),
  )
}

/** The run's row, and that its timeline is whole. */
export function inspect({ state, timeline, run, events }: World) {
  const { ok, complete } = timeline.verify(run.id)
  const types = events().map(({ type }) => type)
  return {
    run: getRun(state.db, run.id),
    chain: { ok, complete },
    completed: types.filter((type) => type === 'run_completed').length,
    last: types.at(-1),
    types,
  }
}

/** State of a process that dies before its nth transaction: nothing is written from then on. */
export function dyingState(state: State, transactions: number): { state: State; used(): number } {
  let used = 0
  const dying: State = Object.create(state, {
    transact: {
      value: (work: Parameters<State['transact']>[0]) => {
        if (!state.inTransaction && used++ >= transactions) throw new Error('The process died')
        return state.transact(work)
      },
    },
  })
  return { state: dying, used: () => used }
}
