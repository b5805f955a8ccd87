import { expect, test } from 'vitest'
import { PARTS } from './corpus.ts'
import { expectHarmless } from './life.ts'

test('the corpus has at least 60 fixtures, of every class from a1 to a18', () => {
  const ids = Object.values(PARTS).flatMap((part) => part.map(({ id }) => id))
  expect(ids.length).toBeGreaterThanOrEqual(60)
  expect(new Set(ids).size).toBe(ids.length)
  const classes = new Set(ids.map((id) => id.split('-')[0]))
  for (let number = 1; number <= 18; number++) expect(classes).toContain(`a${number}`)
})

test.each(PARTS.programs.map((fixture) => [fixture.id, fixture] as const))(
  'the host runs nothing for %s, where the naive call does',
  async (_, fixture) => expectHarmless(fixture),
)
