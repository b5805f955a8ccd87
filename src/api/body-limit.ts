import { OpenExecError } from '../schema/index.ts'
import type { RouteRow } from './route-row.ts'
import { BODY_BYTES_MAX, RUN_BODY_BYTES_MAX } from './route-table.ts'

/** Documents and patches, and parts of packs. */
const LARGE: ReadonlySet<string> = new Set(['/v1/runs', '/v1/uploads/:upload'])

/**
 * The request with its whole body read, however it is sent. Throws `too_large` as soon as it is known
 * to be so. A route that takes no body reads none.
 */
export async function limitBody(request: Request, row: RouteRow): Promise<Request> {
  if (request.method === 'GET' || request.method === 'HEAD' || request.body === null) return request
  const max = LARGE.has(row.path) ? RUN_BODY_BYTES_MAX : BODY_BYTES_MAX
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > max) throw tooLarge(max)
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch(cutOff)
    if (done) break
    size += value.length
    if (size > max) {
      void reader.cancel().catch(() => {})
      throw tooLarge(max)
    }
    chunks.push(value)
  }
  const { method, headers, signal, url } = request
  return new Request(url, { method, headers, signal, body: Buffer.concat(chunks) })
}

/** A client that goes away in the middle is no bug of ours. */
function cutOff(cause: unknown): never {
  throw new OpenExecError('bad_request', 'Cannot read the body: it was cut off', { cause })
}

function tooLarge(max: number): OpenExecError {
  return new OpenExecError('too_large', `Cannot read the body: it has more than ${max} bytes`, {
    hint: 'Send large inputs as files of a commit',
  })
}
