import { describe, expect, test } from 'vitest'
import { openTestState, seedRun } from '../../test/helpers/state.ts'
import { createRedactor, createTimeline } from '../events/index.ts'
import { runFigures } from './run-figures.ts'

describe('runFigures()', () => {
  test('runFigures() reads waits, starts, egress and limits from the record of a run', async () => {
    using state = openTestState()
    const ends = { status: 'failed', reason: 'wall_limit' } as const
    const { id } = seedRun(state, 1, {
      ...ends,
      createdAt: 1_000,
      startedAt: 3_500,
      endedAt: 4_000,
    })
    const redactor = createRedactor([])
    using timeline = createTimeline({
      state,
      now: Date.now,
      redactorOf: () => redactor,
      mirror: undefined,
    })
    timeline.publish(id, [
      { type: 'sandbox_started', payload: {}, volatile: { took_ms: 250, warm: false } },
      {
        type: 'egress',
        payload: { host: 'a.example', port: 443, decision: 'allowed' },
        volatile: { connections: 3, bytes_in: 100, bytes_out: 20, duration_ms: 5 },
      },
      { type: 'egress', payload: { host: 'b.example', port: 443, decision: 'denied' } },
    ])
    const figures = runFigures(state, id)
    expect(figures).toMatchObject({ waited: 2.5, sandboxStarts: [0.25], limits: ['wall_limit'] })
    expect(figures.egress).toEqual([
      { decision: 'allowed', connections: 3, bytesIn: 100, bytesOut: 20 },
      { decision: 'denied', connections: 1, bytesIn: 0, bytesOut: 0 },
    ])
  })
})
