import { expect, test } from 'vitest'
import { keepTidy } from './keep-tidy.ts'

const NOTHING = { interrupted: [], containers: [], volumes: [], workspaces: [] }

test('keepTidy() looks again and again, whatever fails, until it is told to stop', async () => {
  const stop = new AbortController()
  const warnings: string[] = []
  const rounds = { recover: 0, tidy: 0 }
  await keepTidy(
    {
      recover: async () => {
        rounds.recover += 1
        if (rounds.recover === 1) throw new Error('no engine')
        return NOTHING
      },
    },
    {
      sandboxes: {
        tidy: async () => {
          rounds.tidy += 1
          if (rounds.tidy === 3) stop.abort()
        },
      },
      log: { info: () => {}, warn: (line) => warnings.push(line) },
      signal: stop.signal,
      intervalMs: 1,
    },
  )
  expect(rounds).toEqual({ recover: 3, tidy: 3 })
  expect(warnings).toEqual(['Cannot tidy up: no engine'])
})

test('keepTidy() ends at once when it is told to while it waits', async () => {
  const stop = new AbortController()
  const tidying = keepTidy(
    { recover: async () => NOTHING },
    {
      sandboxes: { tidy: async () => setImmediate(() => stop.abort()) && undefined },
      log: { info: () => {}, warn: () => {} },
      signal: stop.signal,
    },
  )
  await expect(tidying).resolves.toBeUndefined()
})
