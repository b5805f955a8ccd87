import { createInterface } from 'node:readline'
import type Docker from 'dockerode'
import { z } from 'zod'

/** Without news for so long, a registry is as good as not reachable. */
const SILENCE_MS = 60_000

/** What the client library puts before the words of the engine. */
const CLIENT_PREFIX = /^\(HTTP code \d+\) [\w ]+ - /

const Message = z.object({ error: z.string().optional() })

/** Pulls an image. Returns why it could not, or nothing. */
export async function pull(docker: Docker, name: string): Promise<string | undefined> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), SILENCE_MS)
  try {
    const progress = await docker.createImage({ fromImage: name, abortSignal: abort.signal })
    for await (const line of createInterface({ input: progress, crlfDelay: Infinity })) {
      timer.refresh()
      const { error } = Message.parse(JSON.parse(line))
      if (error !== undefined) return error
    }
    return undefined
  } catch (error) {
    if (abort.signal.aborted) return `no answer within ${SILENCE_MS / 1000} s`
    const message = error instanceof Error ? error.message : String(error)
    return message.replace(CLIENT_PREFIX, '').trim()
  } finally {
    clearTimeout(timer)
  }
}
