/**
 * Reads the stream of a run frame by frame, over as many connections as it takes: after each that was
 * lost it goes on from the last event, and leaves out output that came before.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { OpenExecError, type RunId, WireFrame } from '../schema/index.ts'
import { type Client, errorOf } from './client.ts'

const LINE_CHARS_MAX = 16 * 1024 * 1024
/** How long a server may be away, in `ms`, and between two tries at first and at most. */
const AWAY_MS_MAX = 120_000
const RETRY_MS = 200
const RETRY_MS_MAX = 5_000

interface FollowRunOptions {
  run: RunId
  /** `seq` of the last event already seen. */
  after: number
  /** Goes on until the run ends or waits for a person. */
  live: boolean
  /** Whether output is wanted beside events; it is unless this is false. */
  output?: boolean
  /** Ends the reading, not the run. */
  signal: AbortSignal
}

export async function* followRun(
  client: Client,
  options: FollowRunOptions,
): AsyncGenerator<WireFrame> {
  const { live, signal } = options
  const seen = createSeen(options.after)
  let retryMs = RETRY_MS
  let awaySince: number | undefined
  for (;;) {
    try {
      for await (const frame of readOnce(client, { ...options, after: seen.after() })) {
        awaySince = undefined
        retryMs = RETRY_MS
        const fresh = seen.pass(frame)
        if (fresh !== undefined) yield fresh
        if (frame.type === 'end') return
      }
      if (!live || signal.aborted) return
    } catch (error) {
      if (signal.aborted) return
      if (!isLoss(error)) throw error
      awaySince ??= performance.now()
      if (performance.now() - awaySince > AWAY_MS_MAX) throw error
    }
    await wait(retryMs, undefined, { signal }).catch(() => {})
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)
  }
}

/** The server or the way to it went away; what it refuses it would refuse again. */
function isLoss(error: unknown): boolean {
  if (error instanceof OpenExecError)
    return ['server_unreachable', 'unavailable', 'too_busy'].includes(error.code)
  return error instanceof TypeError
}

interface Seen {
  after(): number
  /** What of a frame has not come before; `undefined` for nothing. */
  pass(frame: WireFrame): WireFrame | undefined
}

function createSeen(start: number): Seen {
  let after = start
  const ends = new Map<string, number>()
  return {
    after: () => after,
    pass(frame) {
      if (frame.type === 'event') {
        if (frame.event.seq <= after) return undefined
        after = frame.event.seq
      }
      if (frame.type !== 'output') return frame
      const name = `${frame.step}\n${frame.stream}`
      const bytes = Buffer.from(frame.data, 'base64')
      const known = (ends.get(name) ?? 0) - frame.offset
      if (bytes.length > 0 && known >= bytes.length) return undefined
      ends.set(name, frame.offset + bytes.length)
      if (known <= 0) return frame
      const data = bytes.subarray(known).toString('base64')
      return { ...frame, offset: frame.offset + known, data }
    },
  }
}

async function* readOnce(
  client: Client,
  { run, after, live, output = true, signal }: FollowRunOptions,
): AsyncGenerator<WireFrame> {
  const answer = await client.v1.runs[':id'].stream.$get({
    param: { id: run },
    query: {
      after: String(after),
      live: live ? 'true' : 'false',
      output: output ? 'true' : 'false',
    },
  })
  if (!answer.ok || answer.body === null) throw errorOf(answer.status, await answer.text())
  for await (const line of linesOf(answer.body, signal)) yield WireFrame.parse(JSON.parse(line))
}

async function* linesOf(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const reader = body.getReader()
  const cancel = () => void reader.cancel().catch(() => {})
  if (signal.aborted) cancel()
  signal.addEventListener('abort', cancel, { once: true })
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      rest += decoder.decode(value, { stream: true })
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LINE_CHARS_MAX)
        throw new OpenExecError('internal', 'Cannot read the stream of the run: a line has no end')
      for (const line of lines) if (line !== '') yield line
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}
