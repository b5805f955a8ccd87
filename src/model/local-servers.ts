/**
 * Model servers on this machine, found by asking the ports they usually listen on. Only a GET, only
 * on loopback, in little time; what answers in another form is something else and left alone.
 */
import { z } from 'zod'
import type { ModelProvider } from '../schema/index.ts'

export interface LocalServer {
  provider: ModelProvider
  model: string
  baseUrl: string
}

export interface LocalPlace {
  provider: ModelProvider
  /** Where models are listed. */
  list: string
  baseUrl: string
}

/** In the order they are preferred. */
export const LOCAL_PLACES: readonly LocalPlace[] = [
  {
    provider: 'ollama',
    list: 'http://127.0.0.1:11434/api/tags',
    baseUrl: 'http://127.0.0.1:11434',
  },
  {
    provider: 'openai-chat',
    list: 'http://127.0.0.1:8080/v1/models',
    baseUrl: 'http://127.0.0.1:8080/v1',
  },
  {
    provider: 'openai-chat',
    list: 'http://127.0.0.1:8000/v1/models',
    baseUrl: 'http://127.0.0.1:8000/v1',
  },
]

const PROBE_MS = 500
const PROBE_BYTES_MAX = 256 * 1024

const OllamaList = z.object({ models: z.array(z.object({ name: z.string().min(1).max(200) })) })
const OpenAiList = z.object({
  object: z.literal('list'),
  data: z.array(z.object({ id: z.string().min(1).max(200) })),
})

export interface ProbeOptions {
  fetch: typeof fetch
  places: readonly LocalPlace[]
  signal: AbortSignal
}

/** The first place in order that offers a model. */
export async function findLocalServer(options: ProbeOptions): Promise<LocalServer | undefined> {
  const asked = await Promise.all(
    options.places.map(async (place) => ({ place, model: await firstModel(place, options) })),
  )
  const found = asked.find(({ model }) => model !== undefined)
  if (found?.model === undefined) return undefined
  const { provider, baseUrl } = found.place
  return { provider, baseUrl, model: found.model }
}

async function firstModel(
  { provider, list }: LocalPlace,
  { fetch: send, signal }: ProbeOptions,
): Promise<string | undefined> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)])
    const answer = await send(list, { redirect: 'error', signal: limit })
    if (!answer.ok || answer.body === null) return undefined
    const value: unknown = JSON.parse(await smallText(answer.body))
    if (provider === 'ollama') return OllamaList.parse(value).models[0]?.name
    return OpenAiList.parse(value).data[0]?.id
  } catch {
    // Nobody there, or somebody else: both mean that there is no model here.
    return undefined
  }
}

async function smallText(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > PROBE_BYTES_MAX) throw new RangeError('The list of models is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
