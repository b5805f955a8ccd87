import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { createRedactor, createTimeline, type Timeline } from '../../src/events/index.ts'
import type { NewEvent, RunId } from '../../src/schema/index.ts'
import { openState } from '../../src/state/index.ts'
import { seedRun } from '../../test/helpers/state.ts'
import { type BenchRow, timed } from '../row.ts'

const EVENTS = 1600
/** Events of one commit, as a stage that ends or an agent's turn has them. */
const TOGETHER = 16
const PER_SECOND_MIN = 5_000

const EVENT = {
  type: 'tool_call',
  stage: 'implement',
  attempt: 1,
  payload: { tool: 'read_file', path: 'src/index.ts', decision: 'allow', bytes: 1234 },
  volatile: { duration_ms: 12 },
} satisfies NewEvent

/** Hash-chained, checked by trigger, synced to disk before the call returns, and copied to JSONL. */
export const eventAppend: BenchRow = {
  id: 'event_append',
  what: `durable appends to a timeline, ${TOGETHER} events in a commit`,
  unit: '1/s',
  peer: 'a plain SQLite table, the same commits',
  target: `≥ ${PER_SECOND_MIN.toLocaleString('en')}/s p50`,
  rounds: 12,
  ok: ({ ours }) => ours.p50 >= PER_SECOND_MIN,
  async open() {
    const directory = mkdtempSync(join(tmpdir(), 'openexec-bench-'))
    const state = openState({ file: join(directory, 'openexec.db') })
    const redactor = createRedactor([])
    const log = { info: () => {}, warn: (line: string) => console.error(line) }
    const timeline = createTimeline({
      state,
      now: Date.now,
      redactorOf: () => redactor,
      mirror: { runsDir: join(directory, 'runs'), log },
    })
    const { id } = seedRun(state)
    const plain = plainTable(join(directory, 'plain.db'))
    await tellSingles(timeline, id)
    return {
      ours: () => rateOf(TOGETHER, (events) => void timeline.publish(id, events)),
      peer: () => rateOf(TOGETHER, plain.insert),
      async close() {
        timeline[Symbol.dispose]()
        state[Symbol.dispose]()
        plain.close()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

/** What every event in a commit of its own costs is a matter of the disk. */
async function tellSingles(timeline: Timeline, id: RunId): Promise<void> {
  const rate = await rateOf(1, (events) => void timeline.publish(id, events))
  console.error(`  one event in a commit: ${Math.round(rate)}/s`)
}

async function rateOf(together: number, append: (events: NewEvent[]) => void): Promise<number> {
  const batch = Array.from({ length: together }, () => EVENT)
  const took = await timed(async () => {
    for (let done = 0; done < EVENTS; done += together) append(batch)
  })
  // What is written beside comes due between the samples, not within the other's.
  await new Promise((resolve) => setTimeout(resolve, 50))
  return EVENTS / (took / 1000)
}

/** What a user would make: one table, rows of JSON, and every commit synced. */
function plainTable(file: string) {
  const database = new SqliteDatabase(file)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('CREATE TABLE log (id INTEGER PRIMARY KEY, at INTEGER, body TEXT) STRICT')
  const statement = database.prepare('INSERT INTO log (at, body) VALUES (?, ?)')
  const insert = database.transaction((events: NewEvent[]) => {
    for (const event of events) statement.run(Date.now(), JSON.stringify(event))
  })
  return { insert: (events: NewEvent[]) => insert.immediate(events), close: () => database.close() }
}
