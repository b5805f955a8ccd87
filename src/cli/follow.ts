/** Reads the NDJSON stream of a run frame by frame. */
import { OpenExecError, type RunId, WireFrame } from '../schema/index.ts'
import { type Client, errorOf } from './client.ts'

const LINE_CHARS_MAX = 16 * 1024 * 1024

interface FollowRunOptions {
  run: RunId
  /** `seq` of the last event already seen. */
  after: number
  /** Goes on until the run ends or waits for a person. */
  live: boolean
  /** What commands write; events alone when it is not wanted. */
  output?: boolean
  /** Ends the reading, not the run. */
  signal: AbortSignal
}

export async function* followRun(
  client: Client,
  { run, after, live, output = true, signal }: FollowRunOptions,
): AsyncGenerator<WireFrame> {
  const answer = await client.v1.runs[':id'].stream.$get({
    param: { id: run },
    query: { after: String(after), live: wordOf(live), output: wordOf(output) },
  })
  if (!answer.ok || answer.body === null) throw errorOf(answer.status, await answer.text())
  for await (const line of linesOf(answer.body, signal)) yield WireFrame.parse(JSON.parse(line))
}

function wordOf(flag: boolean): 'true' | 'false' {
  return flag ? 'true' : 'false'
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
