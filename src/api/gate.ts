/**
 * What stands before the API of a server: which host and page a request names, whose token it brings
 * and what that token may do. What is not listed in the route table does not get past it, and whoever
 * has no token learns nothing, not even which routes there are.
 */
import { randomBytes } from 'node:crypto'
import { type Caller, isOperator, type Tokens } from '../runtime/index.ts'
import { OpenExecError } from '../schema/index.ts'
import { isKnownHost, isKnownOrigin, type KnownHosts } from './hosts.ts'
import type { RouteRow } from './route-row.ts'

type Headers = (name: string) => string | undefined

/** Throws `forbidden` for a host or page that is not known, `bad_request` for a packed body. */
export function checkPlace(known: KnownHosts, header: Headers): void {
  if (!isKnownHost(known, header('host')))
    throw new OpenExecError('forbidden', 'Cannot answer: the Host of the request is not known', {
      hint: 'Name the host with --allow-host when the server is started',
    })
  if (!isKnownOrigin(known, header('origin')))
    throw new OpenExecError('forbidden', 'Cannot answer: the Origin of the request is not known', {
      hint: 'Name the page with --allow-origin when the server is started',
    })
  const packed = header('content-encoding')
  if (packed !== undefined && packed !== 'identity')
    throw new OpenExecError('bad_request', 'Cannot read the body: Content-Encoding is not taken')
}

/** Throws `unauthenticated`. */
export function authenticate(tokens: Tokens, header: Headers, requestId: string): Caller {
  const [, token] = /^Bearer ([\x21-\x7e]{1,200})$/i.exec(header('authorization') ?? '') ?? []
  const caller = token === undefined ? undefined : tokens.authenticate(token)
  if (caller !== undefined) return { ...caller, requestId }
  throw new OpenExecError(
    'unauthenticated',
    token === undefined ? 'Cannot answer without a token' : 'Cannot answer: the token is not valid',
    {
      hint: 'Send "Authorization: Bearer TOKEN"; the first token is in the file "token" of the state directory',
    },
  )
}

/** Throws `forbidden`. */
export function authorize({ scope }: Pick<RouteRow, 'scope'>, caller: Caller): void {
  const { scopes } = caller
  const may =
    scope === 'public' ||
    (scope === 'operator' ? isOperator(caller) : scopes.includes(scope) || scopes.includes('admin'))
  if (may) return
  throw new OpenExecError('forbidden', `Cannot do this with the token: it lacks "${scope}"`, {
    hint: 'Make one with `openexec token create --scope SCOPE`',
  })
}

const GIVEN_ID = /^[A-Za-z0-9_.-]{8,64}$/

/** The caller's own where it is harmless, so that both logs name the same. */
export function requestIdOf(header: Headers): string {
  const given = header('x-request-id')
  return given !== undefined && GIVEN_ID.test(given)
    ? given
    : `req_${randomBytes(8).toString('hex')}`
}
