import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { hashJson, OpenExecError } from '../schema/index.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

function read(text: string) {
  return readPolicy({ file: 'p.yaml', text })
}

function refusal(text: string): string {
  try {
    read(text)
  } catch (error) {
    if (error instanceof OpenExecError) {
      expect(error.code).toBe('policy_invalid')
      return error.message
    }
    throw error
  }
  return 'accepted'
}

const EVERYTHING = `
version: 1
sandbox: workspace_write
isolation: container
network: { allow: [registry.example.org, "*.Example.com:8443"], presets: [npm, gitlab], deny: [] }
paths:   { deny_read: ["secrets/**"], deny_write: [".github/**"] }
limits:  { cpus: 2, memory: 2GB, pids: 512, disk: 4GB, inodes: 200000, wall: 30m, output: 64MB }
secrets: [{ name: API_TOKEN, from: env, hosts: [api.example.com], as: { header: Authorization, format: "Bearer {}" } }]
rules:
  - { id: no-push, capability: git_push, decision: block, reason: "Releases are made by people" }
  - { id: ask-shell, capability: shell_exec, decision: require_approval, level: critical }
tests:
  - { request: { capability: git_push }, expect: block }
  - { request: { capability: shell_exec, argv: [make] }, expect: require_approval }
  - { request: { capability: repo_read, path: secrets/key }, expect: block }
  - { request: { capability: repo_write, path: src/a.ts }, expect: allow }
  - { request: { capability: repo_write, path: src/a.ts, mode: read_only }, expect: block }
  - { request: { capability: network_access, host: a.example.com, port: 8443 }, expect: allow }
  - { request: { capability: network_access, host: a.example.com }, expect: block }
`

test('readPolicy() reads a file that says everything', () => {
  const policy = read(EVERYTHING)
  expect(policy.network).toEqual({
    allow: ['*.example.com:8443', 'gitlab.com', 'registry.example.org'],
    entries: [],
    presets: ['npm'],
    deny: [],
  })
  expect(policy.limits).toEqual(defaultPolicy().limits)
  expect(policy.rules.map(({ id }) => id)).toEqual(['ask-shell', 'no-push'])
})

test('readPolicy() makes the same policy of the same rules in another order', () => {
  const rules = [
    '  - { id: a, capability: git_push, decision: block }',
    '  - { id: b, capability: mcp_call, decision: allow }',
  ]
  const one = read(
    `version: 1\nnetwork: { allow: [b.test, a.test] }\nrules:\n${rules.join('\n')}\n`,
  )
  const two = read(
    `version: 1\nrules:\n${rules.toReversed().join('\n')}\nnetwork: { allow: [A.test., b.test, a.test] }\n`,
  )
  expect(hashJson(two)).toBe(hashJson(one))
})

test('readPolicy() takes an empty policy for the default one', () => {
  expect(read('version: 1\n')).toEqual(defaultPolicy())
})

test.each([
  ['version: 2', 'p.yaml:1:10: ', 'version'],
  ['version: 1\nnetwrk: {}', 'p.yaml:2:1: ', 'Unknown key "netwrk"'],
  ['version: 1\nsandbox: all', 'p.yaml:2:10: ', 'sandbox'],
  ['version: 1\npaths: { deny_read: [../x] }', 'p.yaml:2:22: ', '[bad_glob]'],
  ['version: 1\npaths:\n  write_only:\n    - /etc/**', 'p.yaml:4:7: ', 'absolute'],
  ['version: 1\nnetwork: { allow: ["*"] }', 'p.yaml:2:20: ', '[bad_host]'],
  ['version: 1\nnetwork: { deny: ["a b"] }', 'p.yaml:2:19: ', '[bad_host]'],
  [
    'version: 1\nnetwork: { presets: [nmp] }',
    'p.yaml:2:22: ',
    'Unknown preset "nmp" (known: github',
  ],
  ['version: 1\nlimits: { memory: 1MB }', 'p.yaml:2:19: ', 'expected 16MB to 16384GB'],
  ['version: 1\nlimits: { wall: 200h }', 'p.yaml:2:17: ', '[limit_out_of_range]'],
  ['version: 1\nlimits: { memory: lots }', 'p.yaml:2:19: ', 'a size such as'],
  ['version: 1\nisolation: gvisor\nlimits: { pids: 64 }', 'p.yaml:3:17: ', 'gVisor'],
  ['version: 1\nlimits: { cpus: 0.001 }', 'p.yaml:2:17: ', 'expected 0.01 to 1024'],
])('readPolicy() refuses %j at its place', (text, place, problem) => {
  expect(refusal(text)).toContain(place)
  expect(refusal(text)).toContain(problem)
})

const RULE = 'capability: git_push, decision: block'

test.each([
  [`[{ id: a, ${RULE} }, { id: a, ${RULE} }]`, 'p.yaml:2:', 'Duplicate rule id "a"'],
  [`[{ id: a, ${RULE}, when: { path: [x] } }]`, 'p.yaml:2:', 'never applies to git_push'],
  [`[{ id: a, ${RULE}, when: { mode: [] } }]`, 'p.yaml:2:', 'when.mode is empty'],
  [
    '[{ id: a, capability: repo_write, decision: block, when: { path: [x/] } }]',
    'p.yaml:2:',
    'bad_glob',
  ],
  [
    '[{ id: a, capability: network_access, decision: allow, when: { host: ["*.com"] } }]',
    'p.yaml:2:',
    'too broad',
  ],
  ['[{ id: "builtin:x", capability: git_push, decision: allow }]', 'p.yaml:2:', 'id'],
])('readPolicy() refuses rules %j', (rules, place, problem) => {
  const message = refusal(`version: 1\nrules: ${rules}`)
  expect(message).toContain(place)
  expect(message).toContain(problem)
})

const SECRET = 'name: T, from: env, hosts: [a.test]'

test.each([
  [`[{ ${SECRET}, as: { header: "A B" } }]`, 'not a header name'],
  [`[{ ${SECRET}, as: { header: A, format: "x" } }]`, 'must hold {} once'],
  [`[{ ${SECRET}, as: { header: A, format: "{}\\r\\nB: c" } }]`, 'control character'],
  ['[{ name: T, from: file, hosts: [a.test], as: { header: A } }]', 'needs a source'],
  ['[{ name: T, from: env, hosts: ["*"], as: { header: A } }]', 'bad_host'],
  [`[{ ${SECRET}, as: { header: A } }, { ${SECRET}, as: { header: A } }]`, 'used twice'],
])('readPolicy() refuses secrets %j', (secrets, problem) => {
  expect(refusal(`version: 1\nsecrets: ${secrets}`)).toContain(problem)
})

test('readPolicy() lists every test that fails, each with its line', () => {
  const message = refusal(`version: 1
tests:
  - { request: { capability: git_push }, expect: allow }
  - { request: { capability: repo_read }, expect: allow }
  - { request: { capability: network_access, host: a.test }, expect: allow }
  - { request: { capability: repo_read, path: a, host: b.test }, expect: allow }
  - { request: { capability: repo_read, access: read }, expect: allow }
`)
  expect(message.split('\n')).toEqual([
    'Cannot read "p.yaml": 4 problems',
    'p.yaml:3:5: Test 1: expected git_push to be allow, but it is block (by builtin:default) [policy_test_failed]',
    'p.yaml:5:5: Test 3: expected network_access to be allow, but it is block (by builtin:host-unlisted) [policy_test_failed]',
    'p.yaml:6:5: Test 4: it names path and host; name one [policy_test_failed]',
    'p.yaml:7:5: Test 5: access needs a path [policy_test_failed]',
  ])
})

test('readPolicy() reads every policy in the documentation, tests included', () => {
  const docs = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8')
  const examples = [...docs.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, yaml = '']) => yaml)
  expect(examples).toHaveLength(7)
  for (const example of examples) expect(read(example).version).toBe(1)
})
