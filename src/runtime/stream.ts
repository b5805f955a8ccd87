/**
 * Events and output of a run in one stream. Each source is read from what is stored, so a slow
 * reader holds nothing up; between the two only a few frames are in memory.
 */
import { followOutput, runDirectory } from '../artifacts/index.ts'
import type { Timeline } from '../events/index.ts'
import { exitCodeOf, type RunId } from '../schema/index.ts'
import { getRun, type State } from '../state/index.ts'
import type { FollowOptions, StreamFrame } from './runtime.ts'

export interface StreamDeps {
  state: State
  timeline: Timeline
  root: string
}

export async function* streamRun(
  deps: StreamDeps,
  id: RunId,
  { after, live, signal }: FollowOptions,
): AsyncGenerator<StreamFrame> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  let eventsOver = !live
  const events = async function* (): AsyncGenerator<StreamFrame> {
    yield* live ? liveEvents(deps, id, { after, signal: both }) : storedEvents(deps, id, after)
    eventsOver = true
  }
  const output = outputFrames(deps, id, { isOver: () => eventsOver, signal: both })
  try {
    yield* merge([events(), output])
    if (signal.aborted) return
    const run = getRun(deps.state.db, id)
    yield { type: 'end', status: run.status, exit_code: exitCodeOf(run) }
  } finally {
    stop.abort()
  }
}

async function* storedEvents(deps: StreamDeps, id: RunId, after: number): AsyncGenerator<StreamFrame> {
  const limit = 500
  for (let cursor = after; ; ) {
    const batch = deps.timeline.read(id, { after: cursor, limit })
    for (const event of batch) yield { type: 'event', event }
    cursor = batch.at(-1)?.seq ?? cursor
    if (batch.length < limit) return
  }
}

/** Until the run has ended, or waits for a person. */
async function* liveEvents(
  deps: StreamDeps,
  id: RunId,
  { after, signal }: { after: number; signal: AbortSignal },
): AsyncGenerator<StreamFrame> {
  for await (const event of deps.timeline.follow(id, { after, untilEnd: true, signal })) {
    yield { type: 'event', event }
    if (event.type === 'run_paused' && getRun(deps.state.db, id).status !== 'running') return
  }
}

async function* outputFrames(
  { root }: StreamDeps,
  id: RunId,
  options: { isOver(): boolean; signal: AbortSignal },
): AsyncGenerator<StreamFrame> {
  const pieces = followOutput(runDirectory(root, id).output, { fromStart: true, ...options })
  for await (const { step, stream, offset, data, leftOut } of pieces) {
    const shown = leftOut > 0 ? Buffer.from(`\n… ${leftOut} bytes left out …\n`) : data
    yield { type: 'output', step, stream, offset, data: shown }
  }
}

/** Items of all sources as they come; a source is asked again only when its item was taken. */
async function* merge<T>(sources: AsyncGenerator<T>[]): AsyncGenerator<T> {
  const next = async (source: AsyncGenerator<T>) => ({ source, result: await source.next() })
  const waiting = new Map(sources.map((source) => [source, next(source)]))
  try {
    while (waiting.size > 0) {
      const { source, result } = await Promise.race(waiting.values())
      if (result.done === true) {
        waiting.delete(source)
        continue
      }
      waiting.set(source, next(source))
      yield result.value
    }
  } finally {
    await Promise.allSettled([...waiting.keys()].map((source) => source.return(undefined)))
  }
}
