import { expect, test } from 'vitest'
import { globMatcher } from './glob-pattern.ts'

function matches(pattern: string, path: string): boolean {
  const matcher = globMatcher(pattern)
  if (typeof matcher !== 'function') throw new Error(matcher.problem)
  return matcher(path)
}

test.each([
  ['**/*.ts', 'a.ts'],
  ['**/*.ts', 'x/y/a.ts'],
  ['src/**', 'src/x/y'],
  ['*.{json,yaml}', 'a.yaml'],
  ['{a,b/{c,d}}/x', 'b/d/x'],
  ['test_?.py', 'test_1.py'],
  ['[a-c]*', 'bob'],
  ['[!a-c]*', 'dob'],
  ['./a', 'a'],
  ['ü*', 'über'],
])('globMatcher() matches %s with %s', (pattern, path) => {
  expect(matches(pattern, path)).toBe(true)
})

test.each([
  ['*.ts', 'src/a.ts'],
  ['src/*', 'src/a/b'],
  ['**/a', 'ba'],
  ['[a-c]', 'd'],
  ['a?c', 'ac'],
  ['', 'a'],
])('globMatcher() does not match %s with %s', (pattern, path) => {
  expect(matches(pattern, path)).toBe(false)
})

test('globMatcher() stays quick on a hostile pattern and refuses too many alternatives', () => {
  const started = performance.now()
  expect(matches(`${'*a'.repeat(100)}b`, 'a'.repeat(4000))).toBe(false)
  expect(matches(`${'**/a/'.repeat(40)}b`, 'a/'.repeat(2000))).toBe(false)
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(globMatcher('{a,b}'.repeat(10))).toMatchObject({ problem: expect.any(String) })
  expect(globMatcher('}{')).toMatchObject({ problem: expect.any(String) })
})
