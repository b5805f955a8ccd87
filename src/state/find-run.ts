import { and, desc, eq, gte, lt } from './drizzle.ts'
import { OpenExecError, type Run, type Tenant } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { runs } from './tables.ts'

/** Candidates named when a prefix fits several runs. */
const CANDIDATES_MAX = 5
const PREFIX = /^(?:run_)?([0-9a-z]{1,16})$/

/**
 * The run of a tenant whose id begins with `prefix`, written with or without `run_`. Throws `bad_request` when
 * it is no prefix or fits several, `not_found` when it fits none.
 */
export function findRun(db: Db, tenant: Tenant, prefix: string): Run {
  const digits = PREFIX.exec(prefix.trim().toLowerCase())?.[1]
  if (digits === undefined)
    throw new OpenExecError('bad_request', `Cannot find run "${prefix}": expected a run id`, {
      hint: 'List runs with `openexec ps`; the first characters of an id are enough',
    })
  const found = db
    .select()
    .from(runs)
    // "~" sorts after every character an id can have.
    .where(
      and(
        eq(runs.tenant, tenant),
        gte(runs.id, prefixed(digits)),
        lt(runs.id, prefixed(`${digits}~`)),
      ),
    )
    .orderBy(desc(runs.ordinal))
    .limit(CANDIDATES_MAX + 1)
    .all()
  const [only, ...others] = found
  if (only === undefined)
    throw new OpenExecError('not_found', `Cannot find run "${prefix}"`, {
      hint: 'List runs with `openexec ps`',
    })
  if (others.length === 0) return omitNulls(only)
  const ids = found.slice(0, CANDIDATES_MAX).map(({ id }) => id)
  const more = found.length > CANDIDATES_MAX ? ', …' : ''
  throw new OpenExecError(
    'bad_request',
    `Cannot find run "${prefix}": it fits several (${ids.join(', ')}${more})`,
    { hint: 'Write more characters of the id', details: { candidates: ids } },
  )
}

// The column has the brand of whole ids; a bound of a range is not one.
const prefixed = (digits: string) => `run_${digits}` as Run['id']
