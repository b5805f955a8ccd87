/**
 * Events and output of a run in one stream. Each source is read from what is stored, so a slow
 * reader holds nothing up; between the two only a few frames are in memory. What a command wrote
 * comes before the event that it has ended.
 */
import { followOutput, runDirectory } from '../artifacts/index.ts'
import type { Timeline } from '../events/index.ts'
import { exitCodeOf, type RunId, TERMINAL_STATUSES } from '../schema/index.ts'
import { getRun, isQueued, lastEvent, type State } from '../state/index.ts'
import { createLooks } from './output-looks.ts'
import type { FollowOptions, StreamFrame } from './runtime.ts'

export interface StreamDeps {
  state: State
  timeline: Timeline
  root: string
  /** Whether nothing more will come although the run has not ended; looked at every second. */
  isAbandoned(id: RunId): boolean
}

const WATCH_MS = 1000

export async function* streamRun(
  deps: StreamDeps,
  id: RunId,
  { after, live, output, signal }: FollowOptions,
): AsyncGenerator<StreamFrame> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const looks = createLooks(both, () => performance.now())
  let eventsOver = !live
  const events = async function* (): AsyncGenerator<StreamFrame> {
    if (!live) yield* storedEvents(deps, id, after)
    else {
      for await (const frame of liveEvents(deps, id, { after, signal: both })) {
        if (frame.event.type === 'command_started') looks.hurry()
        if (output && frame.event.type === 'command_completed') await looks.next()
        yield frame
      }
    }
    eventsOver = true
  }
  const isOver = () => {
    looks.begin()
    return eventsOver
  }
  const watch = setInterval(() => {
    if (live && deps.isAbandoned(id)) stop.abort()
  }, WATCH_MS)
  try {
    const written = { isOver, rest: looks.rest, signal: both }
    const sources = output ? [events(), outputFrames(deps, id, written)] : [events()]
    yield* merge(sources, () => stop.abort())
    if (signal.aborted) return
    const run = getRun(deps.state.db, id)
    yield { type: 'end', status: run.status, exit_code: exitCodeOf(run) }
  } finally {
    clearInterval(watch)
    stop.abort()
  }
}

type EventFrame = Extract<StreamFrame, { type: 'event' }>

async function* storedEvents(
  deps: StreamDeps,
  id: RunId,
  after: number,
): AsyncGenerator<StreamFrame> {
  const limit = 500
  for (let cursor = after; ;) {
    const batch = deps.timeline.read(id, { after: cursor, limit })
    for (const event of batch) yield { type: 'event', event }
    cursor = batch.at(-1)?.seq ?? cursor
    if (batch.length < limit) return
  }
}

/** Until the run has ended, or waits for a person. */
async function* liveEvents(
  { state, timeline }: StreamDeps,
  id: RunId,
  { after, signal }: { after: number; signal: AbortSignal },
): AsyncGenerator<EventFrame> {
  if (rests(state, id) && after >= (lastEvent(state.db, id)?.seq ?? 0)) return
  for await (const event of timeline.follow(id, { after, untilEnd: true, signal })) {
    yield { type: 'event', event }
    // An earlier pause is history: the run has gone on since.
    if (event.seq < (lastEvent(state.db, id)?.seq ?? 0)) continue
    if (rests(state, id)) return
    // Its owner lets go of it a moment later. One that is paused otherwise and owned is begun anew.
    const { status } = getRun(state.db, id)
    if (event.type === 'run_paused' && status === 'awaiting_approval' && !isQueued(state.db, id))
      return
  }
}

/** Whether nobody is about to add an event. */
function rests({ db }: State, id: RunId): boolean {
  const { status, owner } = getRun(db, id)
  if (TERMINAL_STATUSES.some((terminal) => terminal === status)) return true
  if (owner !== undefined || (status !== 'paused' && status !== 'awaiting_approval')) return false
  return !isQueued(db, id)
}

async function* outputFrames(
  { root }: StreamDeps,
  id: RunId,
  options: { isOver(): boolean; rest(): Promise<void>; signal: AbortSignal },
): AsyncGenerator<StreamFrame> {
  const pieces = followOutput(runDirectory(root, id).output, { fromStart: true, ...options })
  for await (const { step, stream, offset, data, leftOut } of pieces) {
    const shown = leftOut > 0 ? Buffer.from(`\n… ${leftOut} bytes left out …\n`) : data
    yield { type: 'output', step, stream, offset, data: shown }
  }
}

/**
 * Items of all sources as they come; a source is asked again only when its item was taken. `stop`
 * ends the waits of the sources, without which one that waits could not be closed. No promise is
 * waited on twice: a race would keep every item until the slowest source has its next.
 */
async function* merge<T>(sources: AsyncGenerator<T>[], stop: () => void): AsyncGenerator<T> {
  const answers: (() => { source: AsyncGenerator<T>; result: IteratorResult<T, unknown> })[] = []
  let wake = () => {}
  const ask = (source: AsyncGenerator<T>): void => {
    const tell = (answer: (typeof answers)[number]): void => {
      answers.push(answer)
      wake()
    }
    source.next().then(
      (result) => tell(() => ({ source, result })),
      (error: unknown) =>
        tell(() => {
          throw error
        }),
    )
  }
  for (const source of sources) ask(source)
  try {
    for (let open = sources.length; open > 0;) {
      const answer = answers.shift()
      if (answer === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      const { source, result } = answer()
      if (result.done === true) open -= 1
      else {
        ask(source)
        yield result.value
      }
    }
  } finally {
    stop()
    await Promise.allSettled(sources.map((source) => source.return(undefined)))
  }
}
