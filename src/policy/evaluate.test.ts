import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  Capability,
  DecisionKind,
  type PolicyRequest,
  type PolicyRule,
  type Resource,
  SandboxMode,
} from '../schema/index.ts'
import { BUILTIN_RULES } from './builtin-rules.ts'
import { evaluate } from './evaluate.ts'
import type { Policy } from './policy.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

const NONE: Resource = { kind: 'none' }

function request(capability: Capability, more: Partial<PolicyRequest> = {}): PolicyRequest {
  return {
    capability,
    resource: NONE,
    mode: 'workspace_write',
    stage: 'implement',
    subject: 'test',
    ...more,
  }
}

function withRules(rules: PolicyRule[], more: Partial<Policy> = {}): Policy {
  return { ...defaultPolicy(), rules, ...more }
}

function write(path: string): Partial<PolicyRequest> {
  return { resource: { kind: 'path', path, access: 'write' } }
}

function host(name: string, port = 443): Partial<PolicyRequest> {
  return { resource: { kind: 'host', host: name, port } }
}

test('evaluate() answers for each mode as the table says', () => {
  const rows = Capability.options.map((capability) => {
    const decisions = SandboxMode.options.map((mode) => {
      const { decision, matched } = evaluate(defaultPolicy(), request(capability, { mode }))
      return `${decision} ${matched.join(' ')}`
    })
    return [capability, ...decisions]
  })
  const allow = (rule: string) => `allow builtin:${rule}`
  const none = 'block builtin:default'
  const ask = 'require_approval builtin:danger'
  const noCommit = 'block builtin:no-commit'
  const offline = 'block builtin:host-unlisted'
  expect(rows).toEqual([
    ['repo_read', allow('read'), allow('read'), allow('read'), allow('read')],
    ['repo_write', 'block builtin:no-write', allow('write'), allow('write'), allow('write')],
    ['git_commit', noCommit, noCommit, allow('commit'), allow('commit')],
    ['git_push', none, none, none, none],
    ['network_access', `${offline} builtin:no-network`, offline, offline, offline],
    ['shell_exec', none, allow('shell'), allow('shell'), ask],
    ['process_exec', allow('process'), allow('process'), allow('process'), ask],
    ['secret_read', none, none, none, none],
    ['model_call', allow('model'), allow('model'), allow('model'), allow('model')],
    ['mcp_call', none, none, none, none],
  ])
})

test('evaluate() lets the command of the caller run in read_only, and rules still block it', () => {
  const asked = request('shell_exec', { mode: 'read_only', subject: 'run_command' })
  expect(evaluate(defaultPolicy(), asked).decision).toBe('allow')
  const rule: PolicyRule = { id: 'no', capability: 'shell_exec', decision: 'block' }
  expect(evaluate(withRules([rule]), asked)).toMatchObject({ decision: 'block', matched: ['no'] })
})

test('evaluate() lets a rule allow what nothing allows, and never what a built-in blocks', () => {
  const push: PolicyRule = { id: 'push', capability: 'git_push', decision: 'allow' }
  expect(evaluate(withRules([push]), request('git_push')).decision).toBe('allow')
  const commit: PolicyRule = { id: 'commit', capability: 'git_commit', decision: 'allow' }
  expect(evaluate(withRules([commit]), request('git_commit'))).toMatchObject({
    decision: 'block',
    matched: ['builtin:no-commit'],
  })
  const net: PolicyRule = { id: 'net', capability: 'network_access', decision: 'allow' }
  expect(evaluate(withRules([net]), request('network_access', host('a.test'))).decision).toBe(
    'block',
  )
})

test('evaluate() names every rule that decided, sorted, with its reason and the highest level', () => {
  const rules: PolicyRule[] = [
    { id: 'z', capability: 'shell_exec', decision: 'require_approval', reason: 'Z says so' },
    { id: 'a', capability: 'shell_exec', decision: 'require_approval', level: 'critical' },
    { id: 'm', capability: 'shell_exec', decision: 'allow' },
  ]
  expect(evaluate(withRules(rules), request('shell_exec'))).toEqual({
    decision: 'require_approval',
    level: 'critical',
    capability: 'shell_exec',
    matched: ['a', 'z'],
    reason: 'Rule "a" says require_approval for shell_exec; Z says so',
  })
})

test('evaluate() decides the same whatever the order of the rules', () => {
  const rule = fc.record({
    capability: fc.constantFrom(...Capability.options),
    decision: fc.constantFrom(...DecisionKind.options),
    mode: fc.subarray([...SandboxMode.options], { minLength: 1 }),
  })
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 8 }),
      fc.constantFrom(...Capability.options),
      fc.constantFrom(...SandboxMode.options),
      fc.infiniteStream(fc.nat()),
      (drafts, capability, mode, order) => {
        const rules = drafts.map(({ mode: modes, ...draft }, i): PolicyRule => {
          return { id: `r${i}`, ...draft, when: { mode: modes } }
        })
        const shuffled = rules
          .map((each) => ({ each, key: order.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ each }) => each)
        const asked = request(capability, { mode })
        const decision = evaluate(withRules(rules), asked)
        expect(evaluate(withRules(shuffled), asked)).toEqual(decision)
        const applies = rules.filter(
          (r) => r.capability === capability && r.when?.mode?.includes(mode),
        )
        if (applies.some((r) => r.decision === 'block')) expect(decision.decision).toBe('block')
        if (applies.length === 0) expect(decision).toEqual(evaluate(defaultPolicy(), asked))
      },
    ),
  )
})

test('evaluate() blocks whatever no rule allows', () => {
  const builtinAllows = new Set(
    BUILTIN_RULES.filter(({ decision }) => decision !== 'block').flatMap((r) => r.capabilities),
  )
  for (const capability of Capability.options) {
    if (builtinAllows.has(capability)) continue
    const { decision, matched } = evaluate(defaultPolicy(), request(capability))
    expect([decision, matched]).toEqual(['block', ['builtin:default']])
  }
})

test('evaluate() blocks when something goes wrong while deciding', () => {
  const broken = withRules([], {
    paths: { deny_read: ['a['], deny_write: [], read_only: [], write_only: [] },
  })
  expect(evaluate(broken, request('repo_read'))).toMatchObject({
    decision: 'block',
    matched: ['builtin:error'],
  })
})

const PATHS = readPolicy({
  file: 'p.yaml',
  text: `version: 1
paths: { deny_read: [secrets/**], deny_write: [.github/**], read_only: [LICENSE], write_only: ["{src,docs,secrets,.github}/**", LICENSE] }
`,
})

test.each([
  ['repo_read', 'src/a.ts', 'allow builtin:read'],
  ['repo_read', 'secrets/key', 'block builtin:deny-read'],
  ['repo_read', 'secrets', 'block builtin:deny-read'],
  ['repo_read', './secrets//key', 'block builtin:deny-read'],
  ['repo_read', 'SECRETS/key', 'block builtin:deny-read'],
  ['repo_read', '../etc/passwd', 'block builtin:outside'],
  ['repo_read', '/etc/passwd', 'block builtin:outside'],
  ['repo_read', 'src/../secrets/key', 'block builtin:outside'],
  ['repo_read', 'LICENSE', 'allow builtin:read'],
  ['repo_write', 'src/a.ts', 'allow builtin:write'],
  ['repo_write', 'secrets/key', 'block builtin:deny-read'],
  ['repo_write', '.github/x.yml', 'block builtin:deny-write'],
  ['repo_write', 'LICENSE', 'block builtin:read-only'],
  ['repo_write', 'license', 'block builtin:read-only builtin:write-only'],
  ['repo_write', 'README.md', 'block builtin:write-only'],
  ['repo_write', 'SRC/a.ts', 'block builtin:write-only'],
  ['repo_write', 'src/.git/hooks/x', 'block builtin:git-metadata'],
] as const)('evaluate() decides %s of %j: %s', (capability, path, expected) => {
  const { decision, matched } = evaluate(PATHS, request(capability, write(path)))
  expect(`${decision} ${matched.join(' ')}`).toBe(expected)
})

const NETWORK = readPolicy({
  file: 'p.yaml',
  text: 'version: 1\nnetwork: { allow: ["*.example.com", "10.0.0.1:22"], deny: [evil.example.com] }\n',
})

test.each([
  ['a.example.com', 443, 'allow builtin:network'],
  ['A.Example.COM.', 80, 'allow builtin:network'],
  ['a.example.com', 22, 'block builtin:host-unlisted'],
  ['evil.example.com', 443, 'block builtin:host-denied'],
  ['evil.example.com', 22, 'block builtin:host-denied builtin:host-unlisted'],
  ['a.example.com\0.test', 443, 'block builtin:host-unlisted'],
  ['x.test\0.example.com', 443, 'block builtin:host-unlisted'],
  ['::ffff:1.2.3.4%x.example.com', 443, 'block builtin:host-unlisted'],
  ['evil@a.example.com', 443, 'block builtin:host-unlisted'],
  ['notexample.com', 443, 'block builtin:host-unlisted'],
  ['example.com', 443, 'block builtin:host-unlisted'],
  ['167772161', 22, 'allow builtin:network'],
  ['10.0.0.1', 443, 'block builtin:host-unlisted'],
])('evaluate() decides a connection to %j port %i: %s', (name, port, expected) => {
  const { decision, matched } = evaluate(NETWORK, request('network_access', host(name, port)))
  expect(`${decision} ${matched.join(' ')}`).toBe(expected)
})

test('evaluate() gives read_only no network, and asks for each connection in danger_full_access', () => {
  const to = host('a.example.com')
  const readOnly = evaluate(NETWORK, request('network_access', { ...to, mode: 'read_only' }))
  expect(readOnly).toMatchObject({ decision: 'block', matched: ['builtin:no-network'] })
  const danger = evaluate(NETWORK, request('network_access', { ...to, mode: 'danger_full_access' }))
  expect(danger).toMatchObject({ decision: 'require_approval', level: 'critical' })
})

test('evaluate() applies conditions of rules only where all of them match', () => {
  const rule: PolicyRule = {
    id: 'ask',
    capability: 'process_exec',
    decision: 'require_approval',
    when: { argv: [['npm', 'publish']], stage: ['release'], subject: ['run_tests'] },
  }
  const policy = withRules([rule])
  const decide = (argv: string[], stage: string, subject = 'run_tests') =>
    evaluate(policy, request('process_exec', { resource: { kind: 'argv', argv }, stage, subject }))
      .decision
  expect(decide(['npm', 'publish', '--tag', 'x'], 'release')).toBe('require_approval')
  expect(decide(['npm', 'test'], 'release')).toBe('allow')
  expect(decide(['npm'], 'release')).toBe('allow')
  expect(decide(['npm', 'publish'], 'test')).toBe('allow')
  expect(decide(['npm', 'publish'], 'release', 'run_linters')).toBe('allow')
})
