/**
 * One request to a place that a tenant named. What answers is hostile: it has a time, its head has a
 * size, its body is thrown away, and where it redirects to nobody goes.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Internet, reach } from '../../sandbox/index.ts'
import { OpenExecError } from '../../schema/index.ts'
import type { HookTarget } from './hook-target.ts'

export interface SendDeps {
  internet: Internet
  /** Certificates that are believed, PEM; those that Node believes when undefined. */
  authorities: readonly string[] | undefined
  /** How long one attempt may take from the name to the status, in `ms`. */
  limitMs: number
}

export interface Sent {
  /** Of the answer; `undefined` when there was none. */
  httpStatus: number | undefined
  /** What went wrong, for whoever owns the webhook. */
  error: string | undefined
}

const HEAD_BYTES_MAX = 16 * 1024
/** Bytes of an answer that are read before the connection is closed. */
const BODY_BYTES_MAX = 64 * 1024

/** Never rejects. */
export async function sendHook(
  { internet, authorities, limitMs }: SendDeps,
  given: { target: HookTarget; body: string; headers: Record<string, string> },
  signal: AbortSignal,
): Promise<Sent> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  let socket: Socket | undefined
  try {
    socket = await reach(internet, given.target.place, limit)
    const httpStatus = await exchange(socket, { ...given, authorities }, limit)
    const arrived = httpStatus >= 200 && httpStatus < 300
    return { httpStatus, error: arrived ? undefined : `The receiver answered ${httpStatus}` }
  } catch (error) {
    return { httpStatus: undefined, error: limit.aborted ? 'It took too long' : told(error) }
  } finally {
    socket?.destroy()
  }
}

async function exchange(
  socket: Socket,
  {
    target,
    body,
    headers,
    authorities,
  }: {
    target: HookTarget
    body: string
    headers: Record<string, string>
    authorities: SendDeps['authorities']
  },
  signal: AbortSignal,
): Promise<number> {
  const { authority, path, place, secure } = target
  const tls = () =>
    connectTls({
      socket,
      host: place.host,
      ...(isIP(place.host) === 0 && { servername: place.host }),
      ...(authorities && { ca: [...authorities] }),
    })
  const connection = secure ? tls() : socket
  try {
    return await new Promise<number>((resolve, reject) => {
      connection.once('error', reject)
      const sent = request({
        method: 'POST',
        path,
        createConnection: () => connection,
        maxHeaderSize: HEAD_BYTES_MAX,
        signal,
        headers: { ...headers, host: authority, 'content-length': Buffer.byteLength(body) },
      })
      settleBy(sent, { resolve, reject })
      sent.end(body)
    })
  } finally {
    connection.destroy()
  }
}

function settleBy(
  sent: ClientRequest,
  { resolve, reject }: { resolve(status: number): void; reject(error: Error): void },
): void {
  sent.on('error', reject)
  sent.on('close', () => reject(new Error('The connection was closed without an answer')))
  // A receiver that wants to speak something else has not taken what was sent.
  sent.on('upgrade', (answer: IncomingMessage) => resolve(answer.statusCode ?? 0))
  sent.on('response', (answer) => {
    let size = 0
    const done = () => resolve(answer.statusCode ?? 0)
    answer.on('data', (part: Buffer) => {
      size += part.length
      if (size > BODY_BYTES_MAX) done()
    })
    answer.on('end', done).on('error', done)
  })
}

/** Errors of ours are made for whoever reads them; of others only the code is told. */
function told(error: unknown): string {
  if (error instanceof OpenExecError) return error.message
  if (!(error instanceof Error)) return 'It could not be sent'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
