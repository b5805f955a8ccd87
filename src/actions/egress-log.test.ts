import { expect, test } from 'vitest'
import type { EgressRecord } from '../sandbox/index.ts'
import { createEgressLog } from './egress-log.ts'

const RECORD: EgressRecord = {
  stage: 'test',
  via: 'tunnel',
  host: 'a.test',
  port: 443,
  outcome: 'allowed',
  rule: 'network.allow: a.test',
  secrets: [],
  reason: '',
  remedy: '',
  bytesOut: 1,
  bytesIn: 2,
  durationMs: 3,
}

test('createEgressLog() adds up what is decided alike, and tells it in one order', () => {
  const denied = { ...RECORD, outcome: 'denied', rule: 'r', reason: 'why', remedy: 'do' } as const
  const [one, other] = [createEgressLog(), createEgressLog()]
  for (const record of [RECORD, denied, RECORD]) one.add(record)
  for (const record of [denied, RECORD, RECORD]) other.add(record)
  const events = one.take()
  expect(events).toEqual(other.take())
  expect(events).toEqual([
    {
      type: 'egress',
      stage: 'test',
      payload: {
        host: 'a.test',
        port: 443,
        via: 'tunnel',
        decision: 'allowed',
        rule: 'network.allow: a.test',
      },
      volatile: { connections: 2, bytes_in: 4, bytes_out: 2, duration_ms: 6 },
    },
    expect.objectContaining({
      payload: expect.objectContaining({ decision: 'denied', reason: 'why', remedy: 'do' }),
    }),
  ])
  expect(one.take()).toEqual([])
})

test('createEgressLog() counts what a task makes too many of', () => {
  const log = createEgressLog()
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 1000; i++) log.add({ ...RECORD, host: `h${i}.test` })
    const events = log.take()
    expect(events.length).toBeLessThanOrEqual(201)
    expect(events.at(-1)?.type).toBe('notice')
    if (round >= 5) expect(events).toHaveLength(1)
  }
})
