/**
 * Who may speak to a server. A token is 256 random bits that are shown once; what is kept is their
 * SHA-256, so that whoever reads the database can use none of them.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  type AuditEntry,
  type Clock,
  type CreateToken,
  DEFAULT_TENANT,
  type NewId,
  OpenExecError,
  type Scope,
  type Tenant,
  type Token,
  TokenId,
} from '../schema/index.ts'
import {
  appendAudit,
  findToken,
  findTokenByHash,
  insertToken,
  listAudit,
  listTokens,
  revokeToken,
  type State,
  touchToken,
} from '../state/index.ts'

/** Who asks. */
export interface Caller {
  tenant: Tenant
  /** Id of the token; `local` for whoever has the state directory. */
  actor: string
  scopes: readonly Scope[]
  /** Finds the request in the log. */
  requestId: string | undefined
}

export interface Tokens {
  /** The token itself is in the answer and nowhere else. Throws `forbidden` for another tenant. */
  create(request: CreateToken, by: Caller): { token: string; record: Token }
  list(by: Caller): Token[]
  /** Throws `not_found`. */
  revoke(id: string, by: Caller): Token
  /** The caller of a valid token; `undefined` for one that is unknown, expired or revoked. */
  authenticate(token: string): Omit<Caller, 'requestId'> | undefined
  /** The caller that a token stands for now, by its id; `undefined` when it stands for none. */
  callerOf(actor: string, tenant: Tenant): Caller | undefined
  /** Records an administrative action. */
  record(by: Caller, entry: Pick<AuditEntry, 'action' | 'subject' | 'details'>): void
  audit(by: Caller, options: { after: number; limit: number }): AuditEntry[]
}

const LOCAL_ACTOR = 'local'

/** Whoever has the state directory has everything in it. */
export const LOCAL_CALLER: Caller = {
  tenant: DEFAULT_TENANT,
  actor: LOCAL_ACTOR,
  scopes: ['admin'],
  requestId: undefined,
}

const TOKEN = /^oxp_[A-Za-z0-9_-]{43}$/
/** `used_at` is a hint for people and not worth a write for every request. */
const TOUCH_MS = 60_000

interface TokensDeps {
  state: State
  now: Clock
  newId: NewId
}

export function createTokens(deps: TokensDeps): Tokens {
  const { state, now } = deps
  const record: Tokens['record'] = ({ tenant, actor, requestId }, { action, subject, details }) => {
    appendAudit(state.db, {
      at: now(),
      tenant,
      actor,
      action,
      ...(subject !== undefined && { subject }),
      ...(requestId !== undefined && { requestId }),
      details,
    })
  }
  return {
    create: (request, by) => createToken({ ...deps, record }, request, by),
    list: (by) => listTokens(state.db, reachOf(by)),
    revoke: (text, by) => {
      const id = TokenId.safeParse(text)
      if (!id.success) throw new OpenExecError('not_found', `Cannot find token "${text}"`)
      return state.transact((tx) => {
        const token = revokeToken(tx, id.data, { tenant: reachOf(by), now: now() })
        record(by, { action: 'token.revoke', subject: token.id, details: { name: token.name } })
        return token
      })
    },
    callerOf: (actor, tenant) => {
      if (actor === LOCAL_ACTOR && tenant === DEFAULT_TENANT) return LOCAL_CALLER
      const id = TokenId.safeParse(actor)
      const token = id.success ? findToken(state.db, id.data) : undefined
      if (token === undefined || token.tenant !== tenant || !isValid(token, now())) return undefined
      return { tenant, actor, scopes: token.scopes, requestId: undefined }
    },
    authenticate: (text) => {
      if (!TOKEN.test(text)) return undefined
      const token = findTokenByHash(state.db, hashOf(text))
      const at = now()
      if (token === undefined || !isValid(token, at)) return undefined
      if (at - (token.usedAt ?? 0) > TOUCH_MS) touchToken(state.db, token.id, { now: at })
      return { tenant: token.tenant, actor: token.id, scopes: token.scopes }
    },
    record,
    audit: (by, options) => listAudit(state.db, { ...options, tenant: reachOf(by) }),
  }
}

function createToken(
  { state, now, newId, record }: TokensDeps & Pick<Tokens, 'record'>,
  { name, scopes, tenant, expires_in_ms }: CreateToken,
  by: Caller,
): { token: string; record: Token } {
  const owner = tenant ?? by.tenant
  if (owner !== by.tenant && !isOperator(by))
    throw new OpenExecError('forbidden', `Cannot create a token of tenant "${owner}"`, {
      hint: `Only administrators of tenant "${DEFAULT_TENANT}" make tokens of others`,
    })
  const createdAt = now()
  const token = `oxp_${randomBytes(32).toString('base64url')}`
  const made: Token = {
    id: TokenId.parse(newId('tok')),
    tenant: owner,
    name,
    scopes: [...new Set(scopes)],
    createdAt,
    ...(expires_in_ms !== undefined && { expiresAt: createdAt + expires_in_ms }),
  }
  state.transact((tx) => {
    insertToken(tx, made, { hash: hashOf(token) })
    record(by, {
      action: 'token.create',
      subject: made.id,
      details: { name, scopes: made.scopes, tenant: owner },
    })
  })
  return { token, record: made }
}

function isValid({ revokedAt, expiresAt }: Token, at: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || expiresAt > at)
}

/** Whether the caller administers the whole server and not only a tenant of it. */
export function isOperator({ tenant, scopes }: Pick<Caller, 'tenant' | 'scopes'>): boolean {
  return tenant === DEFAULT_TENANT && scopes.includes('admin')
}

function reachOf(by: Caller): Tenant | undefined {
  return isOperator(by) ? undefined : by.tenant
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
