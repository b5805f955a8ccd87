/**
 * What a stream sends, whatever carries it: frames as JSON texts, each with the cursor it moves to.
 * Output of stage attempts that had ended at the cursor was sent before; of one that goes on it begins
 * again, and its offsets say what the reader has already.
 */
import type { Runtime, StreamFrame } from '../../runtime/index.ts'
import type { RunId } from '../../schema/index.ts'
import { binaryFrameOf, wireFrameOf } from '../frames.ts'

export interface SentFrame {
  type: StreamFrame['type']
  text: string
  /** Sent instead of the text, where the reader asked for bytes. */
  bytes?: Uint8Array
  /** Where a reader goes on that has seen this; `undefined` for frames that move nothing. */
  cursor: number | undefined
}

export interface StreamRequest {
  after: number
  /** Whether output is wanted beside events. */
  output: boolean
  /** Whether output comes as bytes. */
  binary: boolean
  live: boolean
  signal: AbortSignal
}

export async function* runFrames(
  runtime: Runtime,
  id: RunId,
  { after, output, binary, live, signal }: StreamRequest,
): AsyncGenerator<SentFrame> {
  const sent = attemptsBefore(runtime, id, after)
  for await (const frame of runtime.stream(id, { after, live, output, signal })) {
    if (frame.type === 'output' && sent.has(frame.step.split('.').slice(0, 2).join('.'))) continue
    const cursor = frame.type === 'event' ? frame.event.seq : undefined
    if (binary && frame.type === 'output') {
      yield { type: 'output', text: '', bytes: binaryFrameOf(frame), cursor }
      continue
    }
    yield { type: frame.type, text: JSON.stringify(wireFrameOf(frame)), cursor }
  }
}

export async function* allFrames(
  runtime: Runtime,
  { after, signal }: Pick<StreamRequest, 'after' | 'signal'>,
): AsyncGenerator<SentFrame> {
  for await (const { position, event } of runtime.streamAll({ after, signal }))
    yield {
      type: 'event',
      text: JSON.stringify({ type: 'event', position, event }),
      cursor: position,
    }
}

const PAGE = 1000

/** Stage attempts that had ended at the cursor, each `<stage>.<attempt>`. */
function attemptsBefore(runtime: Runtime, id: RunId, after: number): ReadonlySet<string> {
  const ended = new Set<string>()
  for (let cursor = 0; cursor < after;) {
    const page = runtime.events(id, { after: cursor, limit: PAGE })
    for (const { seq, type, stage, attempt } of page)
      if (type === 'step_completed' && seq <= after) ended.add(`${stage}.${attempt}`)
    cursor = page.at(-1)?.seq ?? after
    if (page.length < PAGE) break
  }
  return ended
}
