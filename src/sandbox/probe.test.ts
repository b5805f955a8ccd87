import { expect, test } from 'vitest'
import { judgeRunc } from './probe.ts'

test.each([
  ['1.2.8', 'yes'],
  ['1.3.3', 'yes'],
  ['1.4.0', 'yes'],
  ['2.0.0', 'yes'],
  ['1.2.7', 'unknown'],
  ['1.3.2', 'unknown'],
  ['1.1.5+ds1-1+deb12u1', 'unknown'],
  ['', 'unknown'],
  [undefined, 'unknown'],
])('judgeRunc() calls the fixes of %s %s', (version, has) => {
  expect(judgeRunc(version).has).toBe(has)
})
