import { hc } from 'hono/client'
import type { Api } from '../api/index.ts'
import { ErrorAnswer, OpenExecError } from '../schema/index.ts'

/** The typed client of the API; `fetcher` may be a server's in this very process. */
export function createClient(serverUrl: string, fetcher: typeof fetch) {
  return hc<Api>(serverUrl, { fetch: fetcher })
}
export type Client = ReturnType<typeof createClient>

/**
 * The client of a server elsewhere. What it throws is an `OpenExecError`: the server's own, or
 * `server_unreachable` when none answers.
 */
export function createRemoteClient({ url, token }: { url: string; token: string }): Client {
  return createClient(url, remoteFetch(url, token))
}

function remoteFetch(url: string, token: string): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('authorization', `Bearer ${token}`)
    try {
      // A redirect could lead the token somewhere else.
      return await fetch(input, { ...init, headers, redirect: 'error' })
    } catch (cause) {
      if (init?.signal?.aborted === true) throw cause
      throw new OpenExecError('server_unreachable', `Cannot reach a server at "${url}"`, {
        hint: 'Check --server or OPENEXEC_URL, and that `openexec serve` runs there',
        cause,
      })
    }
  }
}

interface Answer<Body> {
  ok: boolean
  status: number
  json(): Promise<Body>
  text(): Promise<string>
}

/** The body if the answer is 2xx; otherwise the server's own failure, thrown here. */
export async function bodyOf<Body>(pending: Promise<Answer<Body>>): Promise<Body> {
  const answer = await pending
  if (answer.ok) return await answer.json()
  throw errorOf(answer.status, await answer.text())
}

/** The name of an artifact as one part of an address, whatever characters it has. */
export function addressPart(name: string): string {
  if (/^\.{0,2}$/.test(name))
    throw new OpenExecError('not_found', `Cannot find artifact "${name}"`, {
      hint: 'List what there is with `openexec artifacts RUN`',
    })
  return Buffer.from(name).toString('hex').replace(/../g, '%$&')
}

/** For answers that carry bytes and not JSON. */
export async function bytesOf(
  pending: Promise<{
    ok: boolean
    status: number
    text(): Promise<string>
    arrayBuffer(): Promise<ArrayBuffer>
  }>,
): Promise<Uint8Array> {
  const answer = await pending
  if (answer.ok) return new Uint8Array(await answer.arrayBuffer())
  throw errorOf(answer.status, await answer.text())
}

export function errorOf(status: number, text: string): OpenExecError {
  const body = ErrorAnswer.safeParse(readJson(text))
  if (!body.success)
    return new OpenExecError('internal', `Cannot read the server's answer: status is ${status}`)
  const { code, message, hint, details } = body.data.error
  return new OpenExecError(code, message, {
    ...(hint !== undefined && { hint }),
    ...(details !== undefined && { details }),
  })
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
