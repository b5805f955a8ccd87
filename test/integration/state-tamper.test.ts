import SqliteDatabase from 'better-sqlite3'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRedactor, createTimeline } from '../../src/events/index.ts'
import { openState } from '../../src/state/index.ts'
import { openTestDir, seedRun, testRun } from '../helpers/state.ts'

const runId = testRun().id

/** A run of ten events, of which somebody with the file in hand then changes something. */
function tamper(dir: string, sql: string | undefined) {
  const file = join(dir, 'openexec.db')
  using state = openState({ file })
  using timeline = createTimeline({
    state,
    now: Date.now,
    redactorOf: () => createRedactor([]),
    mirror: undefined,
  })
  seedRun(state)
  timeline.publish(
    runId,
    Array.from({ length: 10 }, (_, i) => ({ type: 'notice', payload: { i } }) as const),
  )
  const raw = new SqliteDatabase(file)
  for (const trigger of ['events_no_update', 'events_no_delete'])
    raw.exec(`DROP TRIGGER ${trigger}`)
  if (sql !== undefined) raw.exec(sql)
  raw.close()
  return timeline.verify(runId)
}

test('verify() accepts what nobody touched', () => {
  using dir = openTestDir()
  expect(tamper(dir.path, undefined)).toMatchObject({ ok: true, verified: 10, complete: false })
})

test.each([
  ['a payload', `UPDATE events SET payload = '{"i":99}' WHERE seq = 4`, 4],
  ['a time', 'UPDATE events SET ts = ts + 1 WHERE seq = 1', 1],
  ['a type', "UPDATE events SET type = 'egress' WHERE seq = 10", 10],
  ['a hash', `UPDATE events SET hash = '${'a'.repeat(64)}' WHERE seq = 6`, 6],
  [
    'the replayable part and its hash',
    `UPDATE events SET payload = '{}', replay_hash = '${'b'.repeat(64)}' WHERE seq = 2`,
    2,
  ],
  ['JSON into something else', "UPDATE events SET payload = 'x' WHERE seq = 7", 7],
  ['an event away', 'DELETE FROM events WHERE seq = 5', 5],
  ['the first event away', 'DELETE FROM events WHERE seq = 1', 1],
  ['the order', 'UPDATE events SET seq = 99 WHERE seq = 3', 3],
])('verify() names the first bad event after somebody changed %s', (_, sql, firstBad) => {
  using dir = openTestDir()
  const check = tamper(dir.path, sql)
  expect(check).toMatchObject({ ok: false, firstBad })
  expect(check.problem).toBeTruthy()
})

test('verify() shows a cut tail by an end that is missing, not as damage', () => {
  using dir = openTestDir()
  expect(tamper(dir.path, 'DELETE FROM events WHERE seq > 8')).toMatchObject({
    ok: true,
    verified: 8,
    complete: false,
  })
})
