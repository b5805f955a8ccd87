import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createRedactor, createTimeline, verifyTimeline } from '../../src/events/index.ts'
import { Event } from '../../src/schema/index.ts'
import { deleteRun, getRun, openState, transitionRun, updateRun } from '../../src/state/index.ts'
import { openTestDir, seedRun, testRun } from '../helpers/state.ts'

const runId = testRun().id
const writer = fileURLToPath(new URL('./state-writer.ts', import.meta.url))
const never = new AbortController().signal

interface Child {
  process: ChildProcess
  lines: string[]
  /** Settles when a line that begins so was said. */
  said(start: string): Promise<void>
  ended: Promise<number | null>
}

function start(...args: string[]): Child {
  const child = spawn(process.execPath, [writer, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const said = async (begin: string): Promise<void> => {
    while (!lines.some((line) => line.startsWith(begin))) await once(reader, 'line')
  }
  const ended = once(child, 'close').then(() => child.exitCode)
  return { process: child, lines, said, ended }
}

function openSeeded(dir: string) {
  const file = join(dir, 'state', 'openexec.db')
  const state = openState({ file })
  seedRun(state)
  const timeline = createTimeline({
    state,
    now: Date.now,
    redactorOf: () => createRedactor([]),
    mirror: { runsDir: join(dir, 'runs'), log: { info: () => {}, warn: () => {} } },
  })
  return { file, runsDir: join(dir, 'runs'), state, timeline }
}

test('processes that make one database at once all get it', async () => {
  using dir = openTestDir()
  const file = join(dir.path, 'state', 'openexec.db')
  const children = Array.from({ length: 4 }, () => start('open', file))
  for (const { ended } of children) expect(await ended).toBe(0)
  using state = openState({ file })
  expect(state.checkIntegrity()).toBe('ok')
})

test('two processes append to one run without gap, repeat or break', async () => {
  using dir = openTestDir()
  const { file, runsDir, state, timeline } = openSeeded(dir.path)
  const children = [1, 2].map(() => start('append', file, runsDir, runId, '100'))
  for (const { ended } of children) expect(await ended).toBe(0)
  const events = timeline.read(runId, { after: 0, limit: 500 })
  expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
  expect(new Set(events.map(({ payload }) => payload['pid'])).size).toBe(2)
  expect(timeline.verify(runId).ok).toBe(true)
  const lines = readFileSync(join(runsDir, runId, 'timeline.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
  expect(verifyTimeline(lines.map((line) => Event.parse(JSON.parse(line))))).toMatchObject({
    ok: true,
    verified: 200,
  })
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})

test('a follower sees what another process appends, in order and soon', async () => {
  using dir = openTestDir()
  const { file, runsDir, state, timeline } = openSeeded(dir.path)
  const stop = new AbortController()
  const seqs: number[] = []
  const delays: number[] = []
  const followed = (async () => {
    const options = { after: 0, untilEnd: true, signal: stop.signal }
    for await (const { seq, ts } of timeline.follow(runId, options)) {
      seqs.push(seq)
      delays.push(Date.now() - ts)
    }
  })()
  const child = start('append', file, runsDir, runId, '100')
  expect(await child.ended).toBe(0)
  await expect.poll(() => seqs.length).toBe(100)
  timeline.publish(runId, { type: 'run_completed', payload: {} })
  await followed
  expect(seqs).toEqual(Array.from({ length: 101 }, (_, i) => i + 1))
  const late = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.9)]
  expect(late).toBeLessThan(2000)
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})

test('a process that is killed while it appends leaves a chain that verifies', async () => {
  using dir = openTestDir()
  const { file, runsDir, state, timeline } = openSeeded(dir.path)
  for (const killAfter of [0, 40]) {
    const child = start('append', file, runsDir, runId, '100000')
    await child.said(`appended ${killAfter}`)
    child.process.kill('SIGKILL')
    await child.ended
    const check = timeline.verify(runId)
    expect(check.ok).toBe(true)
    expect(check.verified).toBeGreaterThan(killAfter)
    timeline.publish(runId, { type: 'notice', payload: { after: 'kill' } })
  }
  expect(state.checkIntegrity()).toBe('ok')
  timeline.publish(runId, { type: 'run_completed', payload: {} })
  const lines = readFileSync(join(runsDir, runId, 'timeline.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
  expect(lines).toHaveLength(timeline.verify(runId).verified)
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})

test('of several processes exactly one claims a run', async () => {
  using dir = openTestDir()
  const { file, state, timeline } = openSeeded(dir.path)
  const children = [1, 2, 3].map((number) => start('claim', file, runId, `${number}:1`))
  for (const { ended } of children) expect(await ended).toBe(0)
  const won = children.filter(({ lines }) => lines.includes('true'))
  expect(won).toHaveLength(1)
  expect(getRun(state.db, runId).owner).toMatch(/^[123]:1$/)
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})

test('a writer waits for the lock of another process, and a reader does not', async () => {
  using dir = openTestDir()
  const { file, state, timeline } = openSeeded(dir.path)
  const child = start('hold', file, '1500')
  await child.said('locked')
  const begun = performance.now()
  expect(getRun(state.db, runId).id).toBe(runId)
  expect(performance.now() - begun).toBeLessThan(750)
  updateRun(state.db, runId, { detail: 'after the lock' })
  expect(getRun(state.db, runId).detail).toBe('after the lock')
  expect(await child.ended).toBe(0)
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})

test('a lock that is never given up is a typed failure, and nothing is written', async () => {
  using dir = openTestDir()
  const { file, state, timeline } = openSeeded(dir.path)
  const child = start('hold', file, '60000')
  await child.said('locked')
  expect(() => timeline.publish(runId, { type: 'notice', payload: {} })).toThrow(
    expect.objectContaining({
      code: 'state_unusable',
      message: expect.stringContaining('another process keeps it locked'),
    }),
  )
  child.process.kill('SIGKILL')
  await child.ended
  expect(timeline.read(runId, { after: 0, limit: 10 })).toEqual([])
  timeline.publish(runId, { type: 'notice', payload: {} })
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})

test('follow() of a run that another process removes comes to an end', async () => {
  using dir = openTestDir()
  const { file, state, timeline } = openSeeded(dir.path)
  const options = { after: 0, untilEnd: true, signal: never }
  const followed = timeline.follow(runId, options).next()
  const other = openState({ file })
  transitionRun(other.db, runId, { from: ['queued'], patch: { status: 'cancelled', endedAt: 1 } })
  deleteRun(other, runId, { now: 2 })
  expect(await followed).toEqual({ done: true, value: undefined })
  other[Symbol.dispose]()
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
})
