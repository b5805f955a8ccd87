/** Real state for tests: migrated, empty, and gone again when the test ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DEFAULT_TENANT,
  type IdPrefix,
  type NewId,
  type Run,
  RunId,
  SessionId,
  TaskId,
} from '../../src/schema/index.ts'
import {
  insertRun,
  insertSession,
  insertTask,
  openState,
  type State,
} from '../../src/state/index.ts'

/** A migrated, empty database in memory that closes itself. */
export function openTestState(): State {
  return openState({ file: ':memory:' })
}

/** A directory of its own that removes itself. */
export function openTestDir(): { path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'openexec-state-test-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Ids that count: `run_0000000000000001`, `run_0000000000000002`, … */
export function countingIds(): NewId {
  const counts = new Map<IdPrefix, number>()
  return (prefix) => {
    const count = (counts.get(prefix) ?? 0) + 1
    counts.set(prefix, count)
    return `${prefix}_${String(count).padStart(16, '0')}`
  }
}

/** A clock that moves on by 1 ms with each look. */
export function countingClock(start = 1_700_000_000_000): () => number {
  let time = start
  return () => time++
}

/** A run with its task and session as they are before anything happened, not stored. */
export function testRun(number = 1, overrides: Partial<Run> = {}): Run {
  const digits = String(number).padStart(16, '0')
  return {
    id: RunId.parse(`run_${digits}`),
    tenant: DEFAULT_TENANT,
    taskId: TaskId.parse(`task_${digits}`),
    blueprint: 'check',
    status: 'queued',
    request: {
      blueprint: 'check',
      task: '',
      repo: '/repository',
      includeDirty: false,
      inputs: {},
      acceptDegraded: false,
      interactive: false,
    },
    cancelRequested: false,
    createdAt: number,
    ...overrides,
  }
}

/** Stores a run with its task and session. */
export function seedRun(state: State, number = 1, overrides: Partial<Run> = {}): Run {
  const run = testRun(number, overrides)
  const sessionId = SessionId.parse(`ses_${String(number).padStart(16, '0')}`)
  state.transact((tx) => {
    insertSession(tx, { id: sessionId, tenant: run.tenant, mode: 'task', createdAt: number })
    insertTask(tx, {
      id: run.taskId,
      tenant: run.tenant,
      sessionId,
      description: 'Test',
      repo: '/repository',
      createdAt: number,
    })
    insertRun(tx, run)
  })
  return run
}
