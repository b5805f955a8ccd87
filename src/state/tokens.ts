/** Rows of tokens. What a token looks like and when it is valid is decided in `runtime/`. */
import { and, desc, eq, isNull } from './drizzle.ts'
import { OpenExecError, type Tenant, type Token, type TokenId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { tokens } from './tables.ts'

const TOKENS_MAX = 10_000

/** `hash` is the SHA-256 of the token as lower-case hex. */
export function insertToken(db: Db, token: Token, { hash }: { hash: string }): void {
  db.insert(tokens)
    .values({ ...token, hash })
    .run()
}

export function findTokenByHash(db: Db, hash: string): Token | undefined {
  const row = db.select().from(tokens).where(eq(tokens.hash, hash)).get()
  return row === undefined ? undefined : tokenOf(row)
}

export function findToken(db: Db, id: TokenId): Token | undefined {
  const row = db.select().from(tokens).where(eq(tokens.id, id)).get()
  return row === undefined ? undefined : tokenOf(row)
}

/** Newest first; of every tenant when none is named. */
export function listTokens(db: Db, tenant: Tenant | undefined): Token[] {
  const only = tenant === undefined ? undefined : eq(tokens.tenant, tenant)
  const rows = db.select().from(tokens).where(only).orderBy(desc(tokens.ordinal)).limit(TOKENS_MAX)
  return rows.all().map(tokenOf)
}

/** Throws `not_found`; revoking twice changes nothing. */
export function revokeToken(
  db: Db,
  id: TokenId,
  { tenant, now }: { tenant: Tenant | undefined; now: number },
): Token {
  const mine = and(eq(tokens.id, id), tenant === undefined ? undefined : eq(tokens.tenant, tenant))
  db.update(tokens)
    .set({ revokedAt: now })
    .where(and(mine, isNull(tokens.revokedAt)))
    .run()
  const row = db.select().from(tokens).where(mine).get()
  if (row !== undefined) return tokenOf(row)
  throw new OpenExecError('not_found', `Cannot find token "${id}"`, {
    hint: 'List tokens with `openexec token list`',
  })
}

export function touchToken(db: Db, id: TokenId, { now }: { now: number }): void {
  db.update(tokens).set({ usedAt: now }).where(eq(tokens.id, id)).run()
}

function tokenOf(row: typeof tokens.$inferSelect): Token {
  const { hash: _, ...token } = omitNulls(row)
  return token
}
