/**
 * Approvals are durable, single use and expire. Each is bound to the hash of what was asked; every
 * change is compare-and-set, so that neither two deciders nor two effects can use one.
 */
import { and, desc, eq, gt } from './drizzle.ts'
import {
  type ApprovalId,
  type Capability,
  type JsonObject,
  type Level,
  OpenExecError,
  type RunId,
  type Sha256,
  type StepId,
} from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { approvals } from './tables.ts'

export interface Approval {
  id: ApprovalId
  runId: RunId
  stepId?: StepId
  stage: string
  capability: Capability
  level: Level
  /** Of run, stage, capability, normalised arguments, tree and policy. */
  requestHash: Sha256
  /** What a person is shown before deciding. */
  request: JsonObject
  status: 'pending' | 'approved' | 'rejected' | 'consumed'
  reason?: string
  decidedBy?: string
  createdAt: number
  expiresAt: number
  decidedAt?: number
  consumedAt?: number
}

interface ApprovalVote {
  decision: 'approved' | 'rejected'
  reason: string | undefined
  by: string
  now: number
}

export function insertApproval(db: Db, approval: Approval): void {
  db.insert(approvals).values(approval).run()
}

/** Throws `not_found`, and `conflict` when it is decided already or expired. */
export function decideApproval(db: Db, id: ApprovalId, vote: ApprovalVote): Approval {
  const { decision, reason, by, now } = vote
  const open = and(
    eq(approvals.id, id),
    eq(approvals.status, 'pending'),
    gt(approvals.expiresAt, now),
  )
  const set = { status: decision, reason: reason ?? null, decidedBy: by, decidedAt: now }
  const { changes } = db.update(approvals).set(set).where(open).run()
  const approval = getApproval(db, id)
  if (changes === 1) return approval
  const stands = approval.status === 'pending' ? 'expired' : `${approval.status} already`
  throw new OpenExecError('conflict', `Cannot decide approval "${id}": it is ${stands}`)
}

/** Uses an approval up: the caller starts the effect in the same transaction. False when it may not. */
export function consumeApproval(
  db: Db,
  id: ApprovalId,
  { requestHash, now }: { requestHash: Sha256; now: number },
): boolean {
  const usable = and(
    eq(approvals.id, id),
    eq(approvals.requestHash, requestHash),
    eq(approvals.status, 'approved'),
    gt(approvals.expiresAt, now),
  )
  const set = { status: 'consumed' as const, consumedAt: now }
  return db.update(approvals).set(set).where(usable).run().changes === 1
}

/**
 * Puts another request in the place of one that was just approved, in the same transaction: the old
 * one is used up and remembers by what, the new one is approved until the old one would have expired.
 */
export function replaceApproval(
  db: Db,
  old: Approval,
  edited: {
    id: ApprovalId
    asked: JsonObject
    requestHash: Sha256
    vote: { reason: string | undefined; by: string; now: number }
  },
): void {
  const { id, asked, requestHash, vote } = edited
  const { reason, by, now } = vote
  const request = { ...old.request, edited: asked['resource'] ?? null, edited_hash: requestHash }
  const set = { status: 'consumed' as const, consumedAt: now, request }
  const { changes } = db
    .update(approvals)
    .set(set)
    .where(and(eq(approvals.id, old.id), eq(approvals.status, 'approved')))
    .run()
  if (changes !== 1) throw new Error(`Cannot replace approval "${old.id}": it is not approved`)
  insertApproval(db, {
    ...old,
    id,
    requestHash,
    request: asked,
    status: 'approved',
    decidedBy: by,
    createdAt: now,
    decidedAt: now,
    ...(reason !== undefined && { reason }),
  })
}

/** The latest one asked for exactly this request. */
export function findApproval(
  db: Db,
  { runId, requestHash }: { runId: RunId; requestHash: Sha256 },
): Approval | undefined {
  const row = db
    .select()
    .from(approvals)
    .where(and(eq(approvals.runId, runId), eq(approvals.requestHash, requestHash)))
    .orderBy(desc(approvals.ordinal))
    .limit(1)
    .get()
  return row === undefined ? undefined : omitNulls(row)
}

/** In the order they were asked for. */
export function listApprovals(db: Db, runId: RunId): Approval[] {
  const rows = db
    .select()
    .from(approvals)
    .where(eq(approvals.runId, runId))
    .orderBy(approvals.ordinal)
    .all()
  return rows.map(omitNulls)
}

function getApproval(db: Db, id: ApprovalId): Approval {
  const row = db.select().from(approvals).where(eq(approvals.id, id)).get()
  if (row === undefined) throw new OpenExecError('not_found', `Cannot find approval "${id}"`)
  return omitNulls(row)
}
