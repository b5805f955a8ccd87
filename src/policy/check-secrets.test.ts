import { expect, test } from 'vitest'
import { OpenExecError } from '../schema/index.ts'
import { readPolicy } from './read-policy.ts'

const GOOD = '{ name: A, from: env, hosts: [a.test], as: { header: X-Key } }'

function complaints(secrets: string, allow = 'a.test, b.test'): string {
  const text = `version: 1\nnetwork: { allow: [${allow}] }\nsecrets:\n  - ${secrets}\n`
  try {
    readPolicy({ file: 'p.yaml', text })
    return ''
  } catch (error) {
    if (error instanceof OpenExecError) return `${error.message}\n${JSON.stringify(error.details)}`
    throw error
  }
}

test.each([
  GOOD,
  '{ name: A, from: file, source: /a/b, hosts: ["a.test:8443"], as: { basic: { user: me } } }',
  '{ name: A, from: command, source: [pass, show], hosts: [a.test], as: { header: X, format: "t {}" } }',
  '{ name: A, from: operator }',
])('readPolicy() takes %s', (secret) => {
  expect(complaints(secret)).toBe('')
})

test.each([
  ['{ name: A, from: file, hosts: [a.test], as: { header: X } }', 'needs a source'],
  ['{ name: A, from: file, source: a/b, hosts: [a.test], as: { header: X } }', 'the absolute path'],
  ['{ name: A, from: env, source: [x], hosts: [a.test], as: { header: X } }', 'name of a variable'],
  ['{ name: A, from: command, source: "pass x", hosts: [a.test], as: { header: X } }', 'as a list'],
  ['{ name: A, from: env, as: { header: X } }', 'name the hosts it goes to'],
  ['{ name: A, from: env, hosts: [a.test] }', 'say how it stands in a request'],
  ['{ name: A, from: env, hosts: [10.0.0.1], as: { header: X } }', 'is an address'],
  ['{ name: A, from: env, hosts: [c.test], as: { header: X } }', 'is not in network.allow'],
  ['{ name: A, from: env, hosts: [a.test], as: { header: Host } }', 'says where a request goes'],
  ['{ name: A, from: env, hosts: [a.test], as: { header: "a b" } }', 'is not a header name'],
  ['{ name: A, from: env, hosts: [a.test], as: { header: X, format: "{}{}" } }', 'hold {} once'],
  ['{ name: A, from: env, hosts: [a.test], as: { header: X, format: "{}\\r\\nY: 1" } }', 'control'],
  ['{ name: A, from: env, hosts: [a.test], as: { basic: { user: "a:b" } } }', 'holds a colon'],
  ['{ name: A, from: operator, hosts: [a.test] }', 'leave them out here'],
  [`${GOOD}\n  - { name: A, from: operator }`, 'the name is used twice'],
  [
    `${GOOD}\n  - { name: B, from: env, hosts: ["a.test:443"], as: { header: x-key } }`,
    'the same header of the same host',
  ],
])('readPolicy() refuses %s', (secret, why) => {
  expect(complaints(secret)).toContain(why)
})

test('readPolicy() refuses a secret with file, line and column', () => {
  expect(complaints('{ name: A, from: env, hosts: [c.test], as: { header: X } }')).toMatch(
    /p\.yaml:4:\d+: Secret "A": /,
  )
})
