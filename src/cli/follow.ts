/** Reads the NDJSON stream of a run frame by frame. */
import { type RunId, WireFrame } from '../schema/index.ts'
import { type Client, errorOf } from './client.ts'

const LINE_CHARS_MAX = 16 * 1024 * 1024

export async function* followRun(
  client: Client,
  options: { run: RunId; after: number; live: boolean },
): AsyncGenerator<WireFrame> {
  const answer = await client.v1.runs[':id'].stream.$get({
    param: { id: options.run },
    query: { after: String(options.after), live: options.live ? 'true' : 'false' },
  })
  if (!answer.ok || answer.body === null) throw errorOf(answer.status, await answer.text())
  for await (const line of linesOf(answer.body)) yield WireFrame.parse(JSON.parse(line))
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_CHARS_MAX) throw new Error('Cannot read the stream: a line has no end')
    for (const line of lines) if (line !== '') yield line
  }
}
