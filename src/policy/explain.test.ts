import { expect, test } from 'vitest'
import { explainPolicy } from './explain.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'
import { renderExplanation } from './render-explanation.ts'

const ENGINE = { runtimes: ['runc'], network: undefined, omitsDeniedPaths: false }

test('explainPolicy() says what the default mode may do', () => {
  const text = renderExplanation(explainPolicy(defaultPolicy(), 'workspace_write', ENGINE))
  expect(text).toContain('Mode workspace_write: Change files, lint and test; no commit.')
  expect(text).toMatch(/^May reach {2}nothing$/m)
  expect(text).toMatch(/^ {2}wall {4}30m$/m)
  expect(text).toMatch(/^ {2}git_commit {6}block {2}builtin:no-commit /m)
  expect(text).toMatch(/^ {2}shell_exec {6}allow {2}builtin:shell /m)
  expect(text).toMatch(/^ {2}NetworkMode +none$/m)
  expect(text).not.toContain('does not start')
  expect(text.endsWith('\n')).toBe(true)
})

const POLICY = readPolicy({
  file: 'p.yaml',
  text: `version: 1
sandbox: repo_write
network: { allow: [a.test], presets: [npm], deny: [b.a.test] }
paths: { deny_read: [secrets], deny_write: [.github/**], write_only: [src/**] }
rules:
  - { id: ask-publish, capability: process_exec, decision: require_approval, when: { argv: [[npm, publish]] } }
`,
})

test('explainPolicy() tells restrictions, rules that apply sometimes, and why it will not start', () => {
  const explanation = explainPolicy(POLICY, 'repo_write', ENGINE)
  expect(explanation.reads).toContain('not secrets')
  expect(explanation.writes).toEqual([
    'in /workspace only src/**',
    'not .github/**',
    'not secrets',
    "commits in the run's own git directory",
    'scratch space in memory: /tmp, /home/agent, /var/tmp, /run',
  ])
  expect(explanation.reaches).toEqual([
    'a.test',
    'the hosts this machine has for preset npm',
    'not b.a.test',
  ])
  const text = renderExplanation(explanation)
  expect(text).toContain('in some cases: ask-publish')
  expect(text).toContain('Such a run does not start here: Cannot keep paths.deny_read')
})

test('explainPolicy() shows read_only without anything to write but scratch space', () => {
  const { writes, reaches, settings } = explainPolicy(POLICY, 'read_only', ENGINE)
  expect(writes).toHaveLength(1)
  expect(reaches).toEqual([])
  expect(settings).toContainEqual({ name: 'Mount /workspace', value: 'read-only' })
})
