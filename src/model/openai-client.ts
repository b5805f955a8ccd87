/** The official client, made for one exchange: no retries, no environment, no log of its own. */
import type { OpenAI } from 'openai'
import type { ModelRequest, ToolSpec } from '../schema/index.ts'
import type { HttpModelOptions } from './http-model.ts'
import type { Wire } from './wire.ts'

/** Above every bound of ours, so that only ours decide. */
const SDK_TIMEOUT_MS = 3_600_000

export async function openOpenAi(
  { apiKey, baseUrl }: Pick<HttpModelOptions, 'apiKey' | 'baseUrl'>,
  wire: Wire,
): Promise<OpenAI> {
  // Loaded when a model is called, since most runs call none.
  const { OpenAI: Client } = await import('openai')
  return new Client({
    // The client wants one; servers of one's own take anything.
    apiKey: apiKey ?? 'none',
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    baseURL: baseUrl,
    maxRetries: 0,
    timeout: SDK_TIMEOUT_MS,
    logLevel: 'off',
    fetch: wire.fetch,
  })
}

/** Events of a stream as values nobody has checked. */
export async function* streamOf(opened: PromiseLike<unknown>): AsyncGenerator<unknown> {
  const stream = await opened
  if (stream === null || typeof stream !== 'object' || !(Symbol.asyncIterator in stream))
    throw new SyntaxError('The answer is no stream')
  // The SDK's own stream, of which only this is used.
  yield* stream as AsyncIterable<unknown>
}

/** In an order that does not depend on a registry's, so that equal requests are equal bytes. */
export function toolsByName({ tools }: ModelRequest): ToolSpec[] {
  return [...tools].sort((a, b) => (a.name < b.name ? -1 : 1))
}
