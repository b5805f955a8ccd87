import { expect, test } from 'vitest'
import type { SandboxMode } from '../schema/index.ts'
import { evaluate } from './evaluate.ts'
import { expandPresets } from './presets.ts'
import {
  decideNetwork,
  decideRequest,
  namesAddress,
  networkList,
  type NetworkList,
  type Permission,
} from './network.ts'
import { readPolicy } from './read-policy.ts'

function listOf(text: string, given: Partial<Parameters<typeof networkList>[1]> = {}): NetworkList {
  const policy = readPolicy({ file: 'p.yaml', text: `version: 1\n${text}\n` })
  const { mode = 'workspace_write', stage = 'test', network } = given
  return networkList(policy, { mode, stage, network })
}

function permitted(list: NetworkList, host: string, port = 443): Permission {
  const decision = decideNetwork(list, { host, port })
  if (!decision.allow) throw new Error(decision.reason)
  return decision
}

function refusal(list: NetworkList, host: string, port = 443) {
  const decision = decideNetwork(list, { host, port })
  if (decision.allow) throw new Error(`"${host}" was permitted`)
  return decision
}

const LIST = listOf('network: { allow: [a.test, "*.b.test:8443", 10.0.0.1:22], deny: [x.b.test] }')

test('decideNetwork() names the entry that permits', () => {
  expect(permitted(LIST, 'A.test.', 80).rule).toBe('network.allow: a.test')
  expect(permitted(LIST, 'y.b.test', 8443).rule).toBe('network.allow: *.b.test:8443')
  expect(permitted(LIST, '10.0.0.1', 22).host).toEqual({ kind: 'ip', host: '10.0.0.1' })
})

test('decideNetwork() names the rule that denies and the line to add', () => {
  expect(refusal(LIST, 'evil.test')).toEqual({
    allow: false,
    host: 'evil.test',
    port: 443,
    rule: 'builtin:host-unlisted',
    reason: 'The host is not in network.allow',
    remedy: 'Add to network.allow: "evil.test"',
  })
  expect(refusal(LIST, 'a.test', 22).remedy).toBe('Add to network.allow: "a.test:22"')
})

test('decideNetwork() lets a denial win over every permission', () => {
  expect(refusal(LIST, 'x.b.test', 8443).rule).toBe('builtin:host-denied')
  const ruled = listOf(
    'network: { allow: [a.test] }\nrules: [{ id: no-a, capability: network_access, decision: block, when: { host: [a.test] } }]',
  )
  expect(refusal(ruled, 'a.test').rule).toBe('no-a')
})

test('decideNetwork() denies what a rule wants a person for', () => {
  const asked = listOf(
    'network: { allow: [a.test] }\nrules: [{ id: ask-a, capability: network_access, decision: require_approval }]',
  )
  expect(refusal(asked, 'a.test').rule).toBe('ask-a')
})

test('decideNetwork() covers connections of an approved command in danger_full_access', () => {
  const danger = listOf('sandbox: danger_full_access\nnetwork: { allow: [a.test] }', {
    mode: 'danger_full_access',
  })
  expect(permitted(danger, 'a.test').allow).toBe(true)
  expect(refusal(danger, 'b.test').rule).toBe('builtin:host-unlisted')
})

test('decideNetwork() keeps a stage to what it names', () => {
  const narrow = listOf('network: { allow: [a.test, b.test] }', { network: ['a.test'] })
  expect(permitted(narrow, 'a.test').allow).toBe(true)
  expect(refusal(narrow, 'b.test').rule).toBe('stage:network')
  const closed = listOf('network: { allow: [a.test] }', { network: [] })
  expect(refusal(closed, 'a.test').rule).toBe('stage:network')
})

test('decideNetwork() gives read_only nothing', () => {
  expect(
    refusal(listOf('network: { allow: [a.test] }', { mode: 'read_only' }), 'a.test').rule,
  ).toContain('builtin:no-network')
})

test.each(['a.test\0.evil', 'a.test@evil', '', 'a b', `${'a'.repeat(300)}.test`, '\u{1f600}.test'])(
  'decideNetwork() denies %j and shows it harmlessly',
  (host) => {
    const { rule, host: shown } = refusal(LIST, host)
    expect(rule).toBe('builtin:host-unreadable')
    expect(shown).toMatch(/^[ -~]{0,121}…?$/)
  },
)

const CONDITIONS = listOf(
  'network: { allow: [{ host: api.test, methods: [GET, HEAD], paths: ["/v1/**"] }, { host: api.test, methods: [POST], paths: [/v1/new] }, { host: in.test, addresses: [10.1.0.0/16], tls: any }] }',
)

test.each([
  ['GET', '/v1/a/b?q=1', true],
  ['HEAD', '/v1', true],
  ['POST', '/v1/new', true],
  ['POST', '/v1/other', false],
  ['DELETE', '/v1/new', false],
  ['GET', '/v2', false],
  ['GET', '/v1/../v2', false],
  ['GET', '/v1/%2e%2e/v2', false],
  ['GET', '/v1/..%2fv2', false],
  ['GET', '/v1//x', false],
  ['GET', '//v1/x', false],
  ['GET', '/v1\\..\\v2', false],
  ['GET', '/v1x', false],
])('decideRequest() of %s %s is %s', (method, target, expected) => {
  const permission = permitted(CONDITIONS, 'api.test')
  expect(permission.requests).toBe('some')
  expect(decideRequest(CONDITIONS, permission, { method, target }).allow).toBe(expected)
})

test('decideRequest() asks nothing where no entry has conditions', () => {
  const permission = permitted(LIST, 'a.test')
  expect(decideRequest(LIST, permission, { method: 'PUT', target: '*' })).toBe(permission)
})

test('namesAddress() covers named blocks and addresses, and nothing else', () => {
  const named = permitted(CONDITIONS, 'in.test')
  expect(named.tls).toBe('any')
  expect(namesAddress(named, '10.1.2.3')).toBe(true)
  expect(namesAddress(named, '10.2.2.3')).toBe(false)
  expect(namesAddress(permitted(LIST, '10.0.0.1', 22), '10.0.0.1')).toBe(true)
  expect(namesAddress(permitted(LIST, 'a.test'), '10.0.0.1')).toBe(false)
})

test.each([
  ['{ host: a.test, addresses: [127.0.0.1] }', 'loopback addresses are never reached'],
  ['{ host: a.test, addresses: [169.254.0.0/16] }', 'linkLocal addresses are never reached'],
  ['{ host: a.test, addresses: [0.0.0.0/0] }', 'too broad'],
  ['{ host: a.test, addresses: [x] }', 'expected an address or a block'],
  ['{ host: "*", methods: [GET] }', 'name the hosts'],
  ['{ host: a.test, paths: ["/a/../b"] }', 'Path pattern'],
  ['{ host: a.test, methods: [get] }', 'capitals'],
])('readPolicy() refuses the entry %s', (entry, problem) => {
  const details = (() => {
    try {
      return `accepted ${JSON.stringify(listOf(`network: { allow: [${entry}] }`))}`
    } catch (error) {
      return error instanceof Error ? error.message : ''
    }
  })()
  expect(details).toContain(problem)
})

test('readPolicy() makes a plain host of an entry without conditions', () => {
  expect(listOf('network: { allow: [{ host: A.test }] }').policy.network).toMatchObject({
    allow: ['a.test'],
    entries: [],
  })
})

test('expandPresets() makes hosts of presets, or says whose are missing', () => {
  const { policy } = listOf('network: { presets: [npm, github] }')
  const { network } = expandPresets(policy, { npm: ['registry.example.org'] })
  expect(network.presets).toEqual([])
  expect(network.allow).toEqual(expect.arrayContaining(['github.com', 'registry.example.org']))
  expect(() => expandPresets(policy, {})).toThrow('Cannot use network preset "npm"')
})

test('decideNetwork() in audit mode permits every public host, and what is denied stays denied', () => {
  const audit = listOf(
    'network: { mode: audit, deny: [no.test], allow: [{ host: p.test, addresses: [10.0.0.0/8] }] }',
  )
  expect(audit.hosts).not.toEqual([])
  expect(permitted(audit, 'any.example', 9999)).toMatchObject({
    rule: 'builtin:network-audit',
    addresses: [],
    tls: 'checked',
    requests: 'all',
  })
  expect(namesAddress(permitted(audit, 'any.example'), '10.0.0.1')).toBe(false)
  expect(namesAddress(permitted(audit, 'p.test'), '10.0.0.1')).toBe(true)
  expect(refusal(audit, 'no.test').rule).toBe('builtin:host-denied')
  expect(refusal(audit, 'a\0b').rule).toBe('builtin:host-unreadable')
  expect(refusal(listOf('network: { mode: audit }', { mode: 'read_only' }), 'a.test').rule).toBe(
    'builtin:no-network',
  )
  expect(refusal(listOf('network: { mode: audit }', { network: ['a.test'] }), 'b.test').rule).toBe(
    'stage:network',
  )
})

test('evaluate() has a person approve each command in audit mode, and none otherwise', () => {
  const ask = (text: string, mode: SandboxMode) =>
    evaluate(readPolicy({ file: 'p', text: `version: 1\n${text}\n` }), {
      capability: 'process_exec',
      resource: { kind: 'argv', argv: ['make'] },
      mode,
      stage: 's',
      subject: 'run_tests',
    })
  expect(ask('network: { mode: audit }', 'workspace_write')).toMatchObject({
    decision: 'require_approval',
    level: 'critical',
    matched: ['builtin:network-audit-asked'],
  })
  expect(ask('network: { mode: listed }', 'workspace_write').decision).toBe('allow')
  expect(ask('network: { mode: audit }', 'read_only').decision).toBe('allow')
})
