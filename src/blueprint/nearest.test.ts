import { expect, test } from 'vitest'
import { nearest, suggestion } from './nearest.ts'

const NAMES = ['run_linters', 'run_tests', 'done', 'fail']

test.each([
  ['run_linter', 'run_linters'],
  ['run_lniters', 'run_linters'],
  ['Run_Tests', 'run_tests'],
  ['doen', 'done'],
  ['fial', 'fail'],
])('nearest() takes %s for %s', (name, meant) => {
  expect(nearest(name, NAMES)).toBe(meant)
})

test.each(['', 'x', 'deploy', 'paused', 'a'.repeat(100_000)])(
  'nearest() has nothing near %s',
  (name) => {
    expect(nearest(name, NAMES)).toBeUndefined()
  },
)

test('suggestion() falls back to all that is known, sorted and once each', () => {
  expect(suggestion('deploy', ['b', 'a', 'b'])).toBe(' (known: a, b)')
  expect(suggestion('deploy', [])).toBe('')
})
