import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  countingClock,
  openTestDir,
  openTestState,
  seedRun,
  testRun,
} from '../../test/helpers/state.ts'
import { type Event, type NewEvent, RunId } from '../schema/index.ts'
import type { State } from '../state/index.ts'
import { eventTexts, sealEvent } from './hash.ts'
import { mirrorPath, rebuildMirror } from './mirror.ts'
import { createRedactor } from './redact.ts'
import { createTimeline, PAYLOAD_BYTES_MAX } from './timeline.ts'
import { verifyTimeline } from './verify.ts'

const runId = testRun().id
const never = new AbortController().signal
const notice = (text: string): NewEvent => ({ type: 'notice', payload: { text } })

function openTimeline(state: State, runsDir?: string, warnings: string[] = []) {
  const log = { info: () => {}, warn: (message: string) => void warnings.push(message) }
  return createTimeline({
    state,
    now: countingClock(),
    redactorOf: () => createRedactor([{ name: 'T', value: 'secret-token' }]),
    mirror: runsDir === undefined ? undefined : { runsDir, log },
  })
}

async function collect(source: AsyncIterable<Event>): Promise<number[]> {
  const seqs: number[] = []
  for await (const { seq } of source) seqs.push(seq)
  return seqs
}

test('publish() numbers events from 1 in each run and chains them', () => {
  using state = openTestState()
  seedRun(state)
  seedRun(state, 2)
  using timeline = openTimeline(state)
  timeline.publish(runId, [notice('a'), { ...notice('b'), stage: 's', attempt: 1, cause: 1 }])
  timeline.publish(testRun(2).id, notice('other'))
  const [third] = timeline.publish(runId, notice('c'))
  const events = timeline.read(runId, { after: 0, limit: 10 })
  expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3])
  expect(events[2]).toEqual(third)
  expect(events[1]?.prev).toBe(events[0]?.hash)
  expect(timeline.verify(runId)).toEqual({
    ok: true,
    verified: 3,
    complete: false,
    replayHash: third?.replayHash,
    auditHash: third?.hash,
  })
})

test('the audit hash is what its definition says', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  const [event] = timeline.publish(runId, { ...notice('a'), volatile: { ms: 3 } })
  const zeros = '0'.repeat(64)
  const replay = `{"payload":{"text":"a"},"prev":"${zeros}","seq":1,"type":"notice","v":1}`
  const replayHash = createHash('sha256').update(replay).digest('hex')
  const audit = `{"payload":{"text":"a"},"prev":"${zeros}","replayHash":"${replayHash}","run":"${runId}","seq":1,"ts":1700000000000,"type":"notice","v":1,"volatile":{"ms":3}}`
  expect(event?.replayHash).toBe(replayHash)
  expect(event?.hash).toBe(createHash('sha256').update(audit).digest('hex'))
})

test('two runs that do the same have one replay hash and two audit hashes', () => {
  using state = openTestState()
  seedRun(state)
  seedRun(state, 2)
  using timeline = openTimeline(state)
  const events = (ms: number) => [{ ...notice('a'), volatile: { ms } }, notice('b')]
  timeline.publish(runId, events(3))
  timeline.publish(testRun(2).id, events(4))
  const [one, two] = [timeline.verify(runId), timeline.verify(testRun(2).id)]
  expect(one.replayHash).toBe(two.replayHash)
  expect(one.auditHash).not.toBe(two.auditHash)
})

test('append() goes with its transaction', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  expect(() =>
    state.transact((tx) => {
      timeline.append(tx, runId, notice('lost'))
      throw new Error('Power cut')
    }),
  ).toThrow('Power cut')
  expect(timeline.read(runId, { after: 0, limit: 10 })).toEqual([])
  expect(() => timeline.append(state.db, runId, notice('x'))).toThrow('outside of a transaction')
})

test('publish() takes secrets out before it hashes', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  const [event] = timeline.publish(runId, {
    ...notice('the secret-token'),
    volatile: { path: '/secret-token' },
  })
  expect(event).toMatchObject({ payload: { text: 'the ***' }, volatile: { path: '/***' } })
  expect(timeline.verify(runId).ok).toBe(true)
})

test('publish() refuses a payload that belongs into an artifact, and nothing of it stays', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  const fitting = 'x'.repeat(PAYLOAD_BYTES_MAX - '{"text":""}'.length)
  timeline.publish(runId, notice(fitting))
  expect(() => timeline.publish(runId, [notice('first'), notice(`${fitting}x`)])).toThrow(
    expect.objectContaining({ code: 'internal', hint: expect.stringContaining('artifact') }),
  )
  expect(() =>
    timeline.publish(runId, { ...notice(''), volatile: { text: `${fitting}x` } }),
  ).toThrow('its volatile has')
  expect(timeline.read(runId, { after: 0, limit: 10 })).toHaveLength(1)
})

test('publish() refuses a number that JSON cannot carry', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  expect(() => timeline.publish(runId, { type: 'notice', payload: { n: 2 ** 60 } })).toThrow(
    'not an exact number',
  )
})

test('follow() gives stored events, then live ones, without gap or repeat', async () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  timeline.publish(
    runId,
    Array.from({ length: 450 }, (_, i) => notice(`old${i}`)),
  )
  const seqs: number[] = []
  for await (const { seq } of timeline.follow(runId, { after: 0, untilEnd: true, signal: never })) {
    seqs.push(seq)
    if (seq === 100) timeline.publish(runId, notice('during'))
    if (seq === 451) setTimeout(() => timeline.publish(runId, notice('live')), 5)
    if (seq === 452)
      setTimeout(() => timeline.publish(runId, { type: 'run_completed', payload: {} }), 5)
  }
  expect(seqs).toEqual(Array.from({ length: 453 }, (_, i) => i + 1))
})

test('follow() begins after the cursor and goes past the end unless told otherwise', async () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  timeline.publish(runId, [notice('a'), { type: 'run_completed', payload: {} }])
  const stop = new AbortController()
  const all = collect(timeline.follow(runId, { after: 1, untilEnd: false, signal: stop.signal }))
  setTimeout(() => timeline.publish(runId, notice('late')), 5)
  setTimeout(() => stop.abort(), 20)
  expect(await all).toEqual([2, 3])
})

test('follow() ends on abort while waiting, and names a run that is not there', async () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  const options = { after: 0, untilEnd: true, signal: AbortSignal.timeout(5) }
  expect(await collect(timeline.follow(runId, options))).toEqual([])
  const missing = RunId.parse('run_zzzzzzzzzzzzzzzz')
  await expect(collect(timeline.follow(missing, options))).rejects.toThrow('Cannot find run')
})

test('many followers all see everything', async () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  const options = { after: 0, untilEnd: true, signal: never }
  const followers = Array.from({ length: 50 }, () => collect(timeline.follow(runId, options)))
  for (let i = 0; i < 20; i++) {
    timeline.publish(runId, notice(String(i)))
    await new Promise((resolve) => setImmediate(resolve))
  }
  timeline.publish(runId, { type: 'run_completed', payload: {} })
  const expected = Array.from({ length: 21 }, (_, i) => i + 1)
  for (const seqs of await Promise.all(followers)) expect(seqs).toEqual(expected)
})

test('verifyTimeline() finds the first event that was changed, whatever was changed', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  timeline.publish(
    runId,
    Array.from({ length: 8 }, (_, i) => ({ ...notice(`n${i}`), volatile: { ms: i } })),
  )
  const events = timeline.read(runId, { after: 0, limit: 10 })
  const flip = (hash: string) => (hash.startsWith('0') ? '1' : '0') + hash.slice(1)
  const changes: ((event: Event) => Event)[] = [
    (event) => ({ ...event, payload: { text: 'other' } }),
    (event) => ({ ...event, volatile: { ms: 99 } }),
    (event) => ({ ...event, ts: event.ts + 1 }),
    (event) => ({ ...event, type: 'egress' }),
    (event) => ({ ...event, stage: 'x' }),
    (event) => ({ ...event, hash: flip(event.hash) }),
    (event) => ({ ...event, replayHash: flip(event.replayHash) }),
    (event) => ({ ...event, prev: flip(event.prev) }),
  ]
  fc.assert(
    fc.property(fc.nat(7), fc.constantFrom(...changes), (index, change) => {
      const changed = events.map((event, i) => (i === index ? change(event) : event))
      expect(verifyTimeline(changed)).toMatchObject({ ok: false, firstBad: index + 1 })
    }),
  )
  const without = (index: number) => events.filter((_, i) => i !== index)
  expect(verifyTimeline(without(3))).toMatchObject({ ok: false, firstBad: 4 })
  expect(verifyTimeline(events.toReversed())).toMatchObject({ ok: false, firstBad: 1 })
  expect(verifyTimeline(events)).toMatchObject({ ok: true, complete: false })
})

test('verifyTimeline() finds an event whose hash was made anew at the one after it', () => {
  using state = openTestState()
  seedRun(state)
  using timeline = openTimeline(state)
  timeline.publish(runId, ['a', 'b', 'c'].map(notice))
  const [first, second, third] = timeline.read(runId, { after: 0, limit: 10 })
  if (first === undefined || second === undefined || third === undefined) throw new Error('Short')
  const forged = sealEvent({ ...second, ts: second.ts + 1 }, first, eventTexts(second))
  expect(verifyTimeline([first, forged])).toMatchObject({ ok: true })
  expect(verifyTimeline([first, forged, third])).toMatchObject({ ok: false, firstBad: 3 })
})

test('the JSONL file holds every event once the run has ended', () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  using timeline = openTimeline(state, dir.path)
  timeline.publish(runId, [notice('a'), notice('b')])
  timeline.publish(runId, { type: 'run_completed', payload: {} })
  const file = mirrorPath(dir.path, runId)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const parsed = lines.map((line): unknown => JSON.parse(line))
  expect(parsed).toEqual(timeline.read(runId, { after: 0, limit: 10 }))
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('the JSONL file is caught up after a torn line and made again when it is foreign', () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const file = mirrorPath(dir.path, runId)
  const write = (event: NewEvent) => {
    using timeline = openTimeline(state, dir.path)
    timeline.publish(runId, event)
  }
  write(notice('a'))
  const first = readFileSync(file, 'utf8')
  appendFileSync(file, '{"seq":2,"half')
  write(notice('b'))
  const second = readFileSync(file, 'utf8')
  expect(second.startsWith(first)).toBe(true)
  expect(second.split('\n')).toHaveLength(3)
  writeFileSync(file, 'not ours\n')
  write(notice('c'))
  expect(readFileSync(file, 'utf8').startsWith(second)).toBe(true)
  const whole = readFileSync(file, 'utf8')
  rmSync(file)
  rebuildMirror({ state, runsDir: dir.path }, runId)
  expect(readFileSync(file, 'utf8')).toBe(whole)
})

test('a file that cannot be written is warned of once and loses no event', () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  writeFileSync(join(dir.path, 'runs'), 'in the way')
  const warnings: string[] = []
  using timeline = openTimeline(state, join(dir.path, 'runs'), warnings)
  for (const _ of [1, 2]) timeline.publish(runId, { type: 'run_completed', payload: {} })
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toContain('Cannot write the timeline file')
  expect(timeline.read(runId, { after: 0, limit: 10 })).toHaveLength(2)
})
