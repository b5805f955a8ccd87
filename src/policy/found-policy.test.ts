import { expect, test } from 'vitest'
import { widenings } from './found-policy.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

const read = (text: string) => readPolicy({ file: 'openexec.policy.yaml', text })

test('widenings() finds none in the built-in policy and in one that narrows it', () => {
  expect(widenings(defaultPolicy())).toEqual([])
  const narrow = `version: 1
sandbox: read_only
limits: { memory: 512MB }
paths: { deny_write: [".github/**"] }
rules: [{ id: no-shell, capability: shell_exec, decision: block }]
`
  expect(widenings(read(narrow))).toEqual([])
})

test.each([
  ['sandbox: repo_write', 'sandbox: repo_write'],
  ['network: { allow: [example.com] }', 'network.allow: example.com'],
  ['network: { presets: [npm] }', 'network.presets: npm'],
  ['limits: { memory: 64GB }', 'limits.memory: 64000000000'],
  ['rules: [{ id: push, capability: git_push, decision: allow }]', 'rules: push (allow)'],
])('widenings() names "%s"', (line, found) => {
  expect(widenings(read(`version: 1\n${line}\n`))).toContain(found)
})
