import { expect, test } from 'vitest'
import { judgeGit } from './git-fixes.ts'

test.each([
  ['2.43.7', 'yes'],
  ['2.50.1', 'yes'],
  ['2.51.0', 'yes'],
  ['3.0.0', 'yes'],
  ['2.50.0', 'unknown'],
  ['2.43.6', 'unknown'],
  ['2.39.5', 'unknown'],
  ['2.41.9', 'unknown'],
  ['none', 'unknown'],
])('judgeGit() calls the fixes of %s %s', (version, has) => {
  expect(judgeGit(version).has).toBe(has)
})
