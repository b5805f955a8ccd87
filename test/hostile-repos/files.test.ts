import { test } from 'vitest'
import { PARTS } from './corpus.ts'
import { expectHarmless } from './life.ts'

test.each(PARTS.files.map((fixture) => [fixture.id, fixture] as const))(
  'no name, link, size or file leads out or holds up: %s',
  async (_, fixture) => expectHarmless(fixture),
)
