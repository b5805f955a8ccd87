import { expect, test } from 'vitest'
import { readPlace } from './sandbox-place.ts'

test('readPlace() tells a file of a sandbox from one of this machine', () => {
  expect(readPlace('sbx_0123:/tmp/a')).toEqual({ sandbox: 'sbx_0123', path: '/tmp/a' })
  expect(readPlace('4x9k:out.csv')).toEqual({ sandbox: '4x9k', path: '/workspace/out.csv' })
  expect(readPlace('4x9k:')).toEqual({ sandbox: '4x9k', path: '/workspace/' })
  for (const path of ['a.txt', './4x9k:a', '/tmp/4x9k:a', 'C:\\a', '-'])
    expect(readPlace(path), path).toBeUndefined()
  expect(() => readPlace('run_4x9k:a')).toThrow(/expected an id/)
})
