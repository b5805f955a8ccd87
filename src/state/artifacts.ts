import { and, desc, eq, gte, lt } from './drizzle.ts'
import { type Artifact, type ArtifactId, OpenExecError, type RunId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { artifacts } from './tables.ts'

const ID_PREFIX = /^art_[0-9a-z]{1,16}$/

export function insertArtifact(db: Db, artifact: Artifact): void {
  db.insert(artifacts).values(artifact).run()
}

/** Throws `not_found`. */
export function getArtifact(db: Db, id: ArtifactId): Artifact {
  const row = db.select().from(artifacts).where(eq(artifacts.id, id)).get()
  if (row === undefined) throw new OpenExecError('not_found', `Cannot find artifact "${id}"`)
  return omitNulls(row)
}

/** In the order they were made. */
export function listArtifacts(db: Db, runId: RunId): Artifact[] {
  const rows = db
    .select()
    .from(artifacts)
    .where(eq(artifacts.runId, runId))
    .orderBy(artifacts.ordinal)
    .all()
  return rows.map(omitNulls)
}

/**
 * The latest artifact of this name, else the one whose id begins so. Throws `not_found`, and
 * `bad_request` when an id prefix fits several.
 */
export function findArtifact(db: Db, runId: RunId, nameOrId: string): Artifact {
  const named = db
    .select()
    .from(artifacts)
    .where(and(eq(artifacts.runId, runId), eq(artifacts.name, nameOrId)))
    .orderBy(desc(artifacts.ordinal))
    .limit(1)
    .get()
  if (named !== undefined) return omitNulls(named)
  const [only, ...others] = ID_PREFIX.test(nameOrId) ? byIdPrefix(db, runId, nameOrId) : []
  if (only !== undefined && others.length === 0) return omitNulls(only)
  if (only !== undefined)
    throw new OpenExecError(
      'bad_request',
      `Cannot find artifact "${nameOrId}": it fits ${others.length + 1} artifacts`,
      { hint: 'Write more characters of the id' },
    )
  throw new OpenExecError('not_found', `Cannot find artifact "${nameOrId}" of run "${runId}"`, {
    hint: `List what there is with \`openexec artifacts ${runId}\``,
  })
}

/** Whether any artifact has this content. */
export function isContentReferenced(db: Db, sha256: string): boolean {
  const one = db.select({ id: artifacts.id }).from(artifacts).where(eq(artifacts.sha256, sha256))
  return one.limit(1).get() !== undefined
}

function byIdPrefix(db: Db, runId: RunId, prefix: string) {
  // The column has the brand of whole ids; a bound of a range is not one. "~" sorts after them all.
  const [from, to] = [prefix as ArtifactId, `${prefix}~` as ArtifactId]
  return db
    .select()
    .from(artifacts)
    .where(and(eq(artifacts.runId, runId), gte(artifacts.id, from), lt(artifacts.id, to)))
    .limit(10)
    .all()
}
