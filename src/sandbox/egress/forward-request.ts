/**
 * One HTTP request of a sandbox, sent on to the address that was checked. Only what concerns the
 * host goes on: nothing hop-by-hop, no upgrade, and one Host, which is the authority. Where secrets
 * are bound to the host they are put in here, and taken out of what it answers.
 */
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { decideRequest, secretsFor } from '../../policy/index.ts'
import { deferred } from '../pipe-deferred.ts'
import { attachSecrets, type Attached } from './credentials.ts'
import type { DoorDeps } from './door.ts'
import { maskAnswer, maskHeaders } from './mask-answer.ts'
import { misplaced } from './misplaced.ts'
import { onward, ownHeaders } from './onward-headers.ts'
import { PlaceholderInBody, placeholderGuard } from './placeholder-guard.ts'
import { secureUpstream } from './secure-upstream.ts'
import type { Session } from './session.ts'
import { dialWayOut, type Found, type Refusal, type WayOut } from './way-out.ts'

export interface Forwarded {
  session: Session
  way: WayOut
  /** Whether the client spoke TLS with the gateway; the host is spoken to in the same way. */
  isTls: boolean
  /** Path and query. */
  target: string
  request: IncomingMessage
  response: ServerResponse
}

/** Rejects only when the connection is not to be used any more. */
export async function forwardRequest(
  deps: DoorDeps,
  forwarded: Forwarded,
  refuse: (refusal: Refusal) => void,
): Promise<void> {
  const { session, way, target, request, isTls } = forwarded
  const method = request.method ?? ''
  const decision = decideRequest(session.list, way.permission, { method, target })
  if (!decision.allow) {
    const { host, port, rule, reason, remedy } = decision
    return refuse({ host, port, rule, reason, remedy, outcome: 'denied', status: 403 })
  }
  const bound = secretsFor(session.list, decision)
  const headers = onward(request.rawHeaders, { dropEncodings: bound.length > 0 })
  const about = { headers, target, permission: decision, isTls, bound }
  const attached = attachSecrets(deps.credentials, about)
  if (!attached.ok) return refuse(attached.refusal)
  const { host, port, rule } = decision
  const opened = await openUpstream(deps, forwarded, {
    rule,
    secrets: attached.value.used,
  })
  if (!opened.ok) return refuse(opened.refusal)
  const ended = await exchange(deps, forwarded, {
    upstream: opened.value,
    attached: attached.value,
    isBound: bound.length > 0,
  })
  if (ended === 'answered') return
  if (ended !== 'silent')
    return refuse(
      misplaced(decision, { name: ended.secret, bound, usable: bound, where: 'its body' }).refusal,
    )
  const reason = 'Permitted, but the host ended the connection without an answer'
  refuse({ outcome: 'failed', status: 502, host: host.host, port, rule, reason, remedy: '' })
}

async function openUpstream(
  deps: DoorDeps,
  { session, way, request, isTls }: Forwarded,
  { rule, secrets }: { rule: string; secrets: readonly string[] },
): Promise<Found<Socket>> {
  const upstream = await dialWayOut(deps, way, session.signal)
  if (!upstream.ok) return upstream
  const { host, port } = way.permission
  const method = request.method ?? ''
  const about = { via: 'http', method, host: host.host, port, rule, secrets } as const
  const followed = session.follow(upstream.value, about)
  if (!isTls) return upstream
  const secure = await secureUpstream(deps, way, upstream.value)
  // A host that is not who it should be has seen nothing.
  if (!secure.ok) followed.drop()
  return secure
}

interface Exchange {
  upstream: Socket
  attached: Attached
  /** Whether secrets go to the host, with this request or another. */
  isBound: boolean
}

/** `silent` when nothing was answered, or what the body held; something else still can be answered then. */
async function exchange(
  { credentials }: DoorDeps,
  { session, way, isTls, target, request, response }: Forwarded,
  { upstream, attached, isBound }: Exchange,
): Promise<'answered' | 'silent' | PlaceholderInBody> {
  const { promise, resolve, reject } = deferred<IncomingMessage | PlaceholderInBody | undefined>()
  const out = httpRequest({
    method: request.method ?? 'GET',
    path: target,
    headers: [...attached.headers, ...ownHeaders(way, { request, isTls, isBound })].flat(),
    setHost: false,
    createConnection: () => upstream,
  })
  out.once('response', resolve)
  out.once('error', () => resolve(undefined))
  // A host that changes protocols without being asked to is not followed.
  out.once('upgrade', (_, socket) => socket.destroy())
  response.once('close', () => out.destroy())
  session.signal.addEventListener('abort', () => reject(new Error('Over')), { once: true })
  request.on('data', (chunk: Buffer) => session.count(chunk.length))
  // The host may answer before it has all; what it answers decides.
  const elsewhere = isBound ? [] : credentials.secrets
  void pipeline(request, placeholderGuard(elsewhere), out).catch((error: unknown) => {
    if (error instanceof PlaceholderInBody) resolve(error)
  })
  const answer = await promise
  if (answer === undefined) return 'silent'
  if (answer instanceof PlaceholderInBody) return answer
  answer.on('data', (chunk: Buffer) => session.count(chunk.length))
  const { statusCode = 502, statusMessage = '', rawHeaders } = answer
  const headers = onward(rawHeaders, { dropEncodings: false })
  if (isBound) {
    const shown = maskHeaders(credentials, { statusMessage, headers })
    response.writeHead(statusCode, shown.statusMessage, shown.headers.flat())
    await pipeline(answer, maskAnswer(credentials), response)
  } else {
    response.writeHead(statusCode, statusMessage, headers.flat())
    await pipeline(answer, response)
  }
  return 'answered'
}
