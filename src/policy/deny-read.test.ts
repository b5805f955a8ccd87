import { expect, test } from 'vitest'
import { deniesRead } from './deny-read.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

const POLICY = readPolicy({
  file: 'p.yaml',
  text: 'version: 1\npaths: { deny_read: [secrets/**, "**/*.pem"], deny_write: [src] }\n',
})

test.each([
  ['secrets/key', true],
  ['SECRETS/key', true],
  ['a/b.pem', true],
  ['src/a.ts', false],
  ['../x', true],
] as const)('deniesRead() says of %j: %s', (path, expected) => {
  expect(deniesRead(POLICY, path)).toBe(expected)
  expect(deniesRead(POLICY, Buffer.from(path))).toBe(expected)
})

test('deniesRead() matches names that are not UTF-8', () => {
  expect(deniesRead(POLICY, Buffer.from('secrets/\xff\n', 'latin1'))).toBe(true)
  expect(deniesRead(POLICY, Buffer.from('\xff.pem', 'latin1'))).toBe(true)
  expect(deniesRead(POLICY, Buffer.from('\xff', 'latin1'))).toBe(false)
})

test('deniesRead() denies nothing by default', () => {
  expect(deniesRead(defaultPolicy(), 'secrets/key')).toBe(false)
})
