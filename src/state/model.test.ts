import SqliteDatabase from 'better-sqlite3'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTestDir, openTestState, seedRun, testRun } from '../../test/helpers/state.ts'
import {
  ApprovalId,
  ArtifactId,
  ArtifactType,
  type Event,
  EventType,
  Reason,
  SandboxId,
  type Step,
  StepId,
  ToolCallId,
} from '../schema/index.ts'
import {
  type Approval,
  consumeApproval,
  decideApproval,
  findApproval,
  insertApproval,
  listApprovals,
} from './approvals.ts'
import {
  findArtifact,
  getArtifact,
  insertArtifact,
  isContentReferenced,
  listArtifacts,
} from './artifacts.ts'
import { openState, type State } from './database.ts'
import { deleteRun } from './delete-run.ts'
import { insertEvent, lastEvent, readEvents } from './events.ts'
import { getRun, transitionRun } from './runs.ts'
import { insertSandbox, listSandboxes, removeSandbox } from './sandboxes.ts'
import { completeStep, insertStep, listSteps } from './steps.ts'
import { completeToolCall, insertToolCall, listToolCalls } from './tool-calls.ts'

const runId = testRun().id
const stepId = StepId.parse('step_0000000000000001')
const zeros = '0'.repeat(64)

const step: Step = {
  id: stepId,
  runId,
  stage: 'run_tests',
  attempt: 1,
  idempotencyKey: 'a'.repeat(64),
  baseTree: 'b'.repeat(40),
  startedAt: 1,
}

const approval: Approval = {
  id: ApprovalId.parse('appr_0000000000000001'),
  runId,
  stage: 'deploy',
  capability: 'shell_exec',
  level: 'critical',
  requestHash: 'e'.repeat(64),
  request: { argv: ['rm', '-r', 'x'] },
  status: 'pending',
  createdAt: 10,
  expiresAt: 100,
}

const texts = { payload: '{}', volatile: '{}' }

function event(seq: number, prev: string): Event {
  const hash = String(seq).repeat(64).slice(0, 64)
  return {
    v: 1,
    run: runId,
    seq,
    ts: seq,
    type: 'notice',
    payload: {},
    volatile: {},
    prev,
    replayHash: hash,
    hash,
  }
}

/** A state with one run of one open step and two events. */
function openSeeded(): State {
  const state = openTestState()
  seedRun(state)
  insertStep(state.db, step)
  const first = event(1, zeros)
  insertEvent(state.db, first, texts)
  insertEvent(state.db, event(2, first.hash), texts)
  return state
}

test('the database knows every word of the growing lists', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  openState({ file })[Symbol.dispose]()
  const raw = new SqliteDatabase(file, { readonly: true })
  const words = (table: string) => raw.prepare(`SELECT name FROM ${table}`).pluck().all()
  expect(words('reasons')).toEqual([...Reason.options].sort())
  expect(words('event_types')).toEqual([...EventType.options].sort())
  expect(words('artifact_types')).toEqual([...ArtifactType.options].sort())
  raw.close()
})

test('completeStep() completes a step exactly once', () => {
  using state = openSeeded()
  const done = {
    verdict: 'failed',
    reason: 'tests_failed',
    endedAt: 9,
    tree: 'c'.repeat(40),
  } as const
  completeStep(state.db, stepId, done)
  expect(listSteps(state.db, runId)).toEqual([{ ...step, ...done }])
  expect(() => completeStep(state.db, stepId, { verdict: 'succeeded', endedAt: 10 })).toThrow(
    'it is failed already',
  )
  const other = StepId.parse('step_000000000000000z')
  expect(() => completeStep(state.db, other, done)).toThrow('Cannot find step')
})

test('insertStep() refuses the same attempt of a stage twice', () => {
  using state = openSeeded()
  const again = { ...step, id: StepId.parse('step_0000000000000002') }
  expect(() => insertStep(state.db, again)).toThrow('UNIQUE')
  insertStep(state.db, { ...again, attempt: 2 })
  expect(listSteps(state.db, runId).map(({ attempt }) => attempt)).toEqual([1, 2])
})

test('completeToolCall() completes a call exactly once', () => {
  using state = openSeeded()
  const id = ToolCallId.parse('call_0000000000000001')
  const call = {
    id,
    runId,
    stepId,
    kind: 'tool',
    name: 'grep',
    args: { q: 'x' },
    startedAt: 1,
  } as const
  insertToolCall(state.db, call)
  const done = { verdict: 'succeeded', result: { hits: 2 }, endedAt: 4 } as const
  completeToolCall(state.db, id, done)
  expect(listToolCalls(state.db, runId)).toEqual([{ ...call, ...done }])
  expect(() => completeToolCall(state.db, id, done)).toThrow('it is not open')
})

test('findArtifact() finds the latest of a name, or a unique id prefix', () => {
  using state = openSeeded()
  const base = { runId, type: 'report', mediaType: 'text/plain', size: 1, createdAt: 1 } as const
  const first = {
    ...base,
    id: ArtifactId.parse('art_a000000000000000'),
    name: 'log',
    sha256: zeros,
  }
  const second = { ...first, id: ArtifactId.parse('art_ab00000000000000'), sha256: '1'.repeat(64) }
  insertArtifact(state.db, first)
  insertArtifact(state.db, { ...second, stepId })
  expect(findArtifact(state.db, runId, 'log').id).toBe(second.id)
  expect(findArtifact(state.db, runId, 'art_a0').id).toBe(first.id)
  expect(getArtifact(state.db, second.id)).toEqual({ ...second, stepId })
  expect(listArtifacts(state.db, runId)).toHaveLength(2)
  expect(() => findArtifact(state.db, runId, 'art_a')).toThrow('it fits 2 artifacts')
  expect(() => findArtifact(state.db, runId, '../x')).toThrow('Cannot find artifact "../x"')
  expect(() => findArtifact(state.db, testRun(2).id, 'log')).toThrow('Cannot find artifact')
  expect(isContentReferenced(state.db, zeros)).toBe(true)
  expect(isContentReferenced(state.db, '2'.repeat(64))).toBe(false)
})

test('consumeApproval() uses an approval once, for what was asked, before it expires', () => {
  using state = openSeeded()
  insertApproval(state.db, approval)
  const use = { requestHash: approval.requestHash, now: 50 }
  expect(consumeApproval(state.db, approval.id, use)).toBe(false)
  decideApproval(state.db, approval.id, {
    decision: 'approved',
    reason: undefined,
    by: 'me',
    now: 20,
  })
  expect(consumeApproval(state.db, approval.id, { ...use, requestHash: zeros })).toBe(false)
  expect(consumeApproval(state.db, approval.id, { ...use, now: 100 })).toBe(false)
  expect(consumeApproval(state.db, approval.id, use)).toBe(true)
  expect(consumeApproval(state.db, approval.id, use)).toBe(false)
  expect(findApproval(state.db, { runId, requestHash: approval.requestHash })).toEqual({
    ...approval,
    status: 'consumed',
    decidedBy: 'me',
    decidedAt: 20,
    consumedAt: 50,
  })
})

test('decideApproval() refuses a second vote and a late one', () => {
  using state = openSeeded()
  insertApproval(state.db, approval)
  const vote = { decision: 'rejected', reason: 'No', by: 'me', now: 100 } as const
  expect(() => decideApproval(state.db, approval.id, vote)).toThrow('it is expired')
  decideApproval(state.db, approval.id, { ...vote, now: 99 })
  expect(() =>
    decideApproval(state.db, approval.id, { ...vote, decision: 'approved', now: 99 }),
  ).toThrow('it is rejected already')
  expect(listApprovals(state.db, runId)).toMatchObject([{ status: 'rejected', reason: 'No' }])
})

test('sandboxes are listed until they are removed', () => {
  using state = openSeeded()
  const id = SandboxId.parse('sbx_0000000000000001')
  const row = { id, container: 'openexec-1', createdAt: 1, expiresAt: 9 }
  insertSandbox(state.db, row)
  expect(listSandboxes(state.db)).toEqual([row])
  removeSandbox(state.db, id)
  removeSandbox(state.db, id)
  expect(listSandboxes(state.db)).toEqual([])
})

test('readEvents() pages in order, and lastEvent() is the end of the chain', () => {
  using state = openSeeded()
  expect(readEvents(state.db, runId, { after: 0, limit: 1 }).map(({ seq }) => seq)).toEqual([1])
  expect(readEvents(state.db, runId, { after: 1, limit: 9 })).toEqual([
    event(2, event(1, zeros).hash),
  ])
  expect(lastEvent(state.db, runId)?.seq).toBe(2)
  expect(lastEvent(state.db, testRun(2).id)).toBeUndefined()
})

test('insertEvent() refuses a gap, a repeat and a broken chain', () => {
  using state = openSeeded()
  const end = event(2, zeros).hash
  for (const bad of [event(2, end), event(4, end), event(3, zeros)])
    expect(() => insertEvent(state.db, bad, texts)).toThrow('append-only')
})

test('no statement changes or removes an event', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  using state = openState({ file })
  seedRun(state)
  insertEvent(state.db, event(1, zeros), texts)
  const raw = new SqliteDatabase(file)
  const columns = '(position, run_id, seq, ts, type, payload, volatile, prev, replay_hash, hash)'
  const row = `VALUES (1, '${runId}', 2, 1, 'notice', '{}', '{}', '${'1'.repeat(64)}', '${zeros}', '${zeros}')`
  for (const sql of [
    "UPDATE events SET payload = '{}'",
    'DELETE FROM events',
    `INSERT OR REPLACE INTO events ${columns} ${row}`,
  ])
    expect(() => raw.exec(sql)).toThrow('append-only')
  raw.prepare("INSERT INTO meta VALUES ('purging', ?)").run(testRun(2).id)
  expect(() => raw.exec('DELETE FROM events')).toThrow('append-only')
  raw.close()
  expect(readEvents(state.db, runId, { after: 0, limit: 9 })).toHaveLength(1)
})

test('deleteRun() removes everything of an ended run and leaves a tombstone', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  using state = openState({ file })
  seedRun(state)
  seedRun(state, 2)
  insertStep(state.db, step)
  insertApproval(state.db, { ...approval, stepId })
  insertEvent(state.db, event(1, zeros), texts)
  transitionRun(state.db, runId, { from: ['queued'], patch: { status: 'failed', endedAt: 3 } })
  deleteRun(state, runId, { now: 77 })
  expect(() => getRun(state.db, runId)).toThrow('Cannot find run')
  expect(getRun(state.db, testRun(2).id).id).toBe(testRun(2).id)
  const raw = new SqliteDatabase(file, { readonly: true })
  const count = (table: string) => raw.prepare(`SELECT count(*) FROM ${table}`).pluck().get()
  const left = ['sessions', 'tasks', 'runs', 'steps', 'approvals', 'events'].map(count)
  expect(left).toEqual([1, 1, 1, 0, 0, 0])
  expect(raw.prepare('SELECT key FROM meta').pluck().all()).toEqual(['directory'])
  expect(raw.prepare('SELECT * FROM purged_runs').all()).toEqual([
    { run_id: runId, last_seq: 1, last_hash: '1'.repeat(64), purged_at: 77 },
  ])
  raw.close()
  expect(state.checkIntegrity()).toBe('ok')
})

test('deleteRun() refuses a run that goes on or still has a sandbox', () => {
  using state = openSeeded()
  expect(() => deleteRun(state, runId, { now: 1 })).toThrow('it is queued')
  transitionRun(state.db, runId, { from: ['queued'], patch: { status: 'failed', endedAt: 3 } })
  const id = SandboxId.parse('sbx_0000000000000001')
  insertSandbox(state.db, { id, runId, container: 'c', createdAt: 1, expiresAt: 2 })
  expect(() => deleteRun(state, runId, { now: 1 })).toThrow('its sandbox "c" is not removed yet')
  expect(readEvents(state.db, runId, { after: 0, limit: 9 })).toHaveLength(2)
})
