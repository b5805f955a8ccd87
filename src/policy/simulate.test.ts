import { expect, test } from 'vitest'
import type { SandboxMode } from '../schema/index.ts'
import { readPolicy } from './read-policy.ts'
import { type RecordedDecision, simulate } from './simulate.ts'

function policyOf(text: string) {
  return readPolicy({ file: 'p.yaml', text: `version: 1\n${text}\n` })
}

function host(name: string, port: number, method?: string): RecordedDecision {
  return {
    request: {
      capability: 'network_access',
      resource: { kind: 'host', host: name, port },
      mode: 'workspace_write',
      stage: 'test',
      subject: 'egress',
    },
    was: 'allow',
    method,
  }
}

test('simulate() blocks hosts that the policy does not list, with the line to add', () => {
  const policy = policyOf('network: { allow: [a.test] }')
  expect(simulate(policy, host('a.test', 443)).now).toBe('allow')
  expect(simulate(policy, host('b.test', 443))).toMatchObject({
    now: 'block',
    remedy: 'Add to network.allow: "b.test"',
  })
})

test('simulate() decides methods where they were recorded, and leaves paths to the run', () => {
  const policy = policyOf(
    'network: { allow: [{ host: a.test, methods: [GET] }, { host: b.test, paths: ["/v1/**"] }] }',
  )
  expect(simulate(policy, host('a.test', 80, 'GET')).now).toBe('allow')
  expect(
    simulate(
      policyOf('network: { allow: [{ host: a.test, methods: [GET] }] }'),
      host('a.test', 80, 'POST'),
    ).now,
  ).toBe('block')
  expect(simulate(policy, host('a.test', 443)).now).toBe('allow')
  expect(simulate(policy, host('b.test', 80, 'GET')).now).toBe('allow')
})

test('simulate() decides commands by rules, and modes by the ceiling of the policy', () => {
  const policy = policyOf(
    'sandbox: workspace_write\nrules: [{ id: no-publish, capability: process_exec, decision: block, when: { argv: [[npm, publish]] } }]',
  )
  const command = (argv: string[], mode: SandboxMode): RecordedDecision => ({
    request: {
      capability: 'process_exec',
      resource: { kind: 'argv', argv },
      mode,
      stage: 'test',
      subject: 'run_tests',
    },
    was: 'allow',
    method: undefined,
  })
  expect(simulate(policy, command(['npm', 'publish'], 'workspace_write'))).toMatchObject({
    now: 'block',
    rule: 'no-publish',
  })
  expect(simulate(policy, command(['npm', 'test'], 'workspace_write')).now).toBe('allow')
  expect(simulate(policy, command(['npm', 'test'], 'repo_write')).rule).toBe('sandbox')
})
