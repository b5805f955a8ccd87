import { test } from 'vitest'
import { PARTS } from './corpus.ts'
import { expectHarmless } from './life.ts'

test.each(PARTS.repositories.map((fixture) => [fixture.id, fixture] as const))(
  'repositories and objects of others stay outside: %s',
  async (_, fixture) => expectHarmless(fixture),
)
