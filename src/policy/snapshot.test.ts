import { expect, test } from 'vitest'
import { evaluate } from './evaluate.ts'
import { readPolicy } from './read-policy.ts'
import { PolicySnapshot, policySnapshot } from './snapshot.ts'

function parts(text: string) {
  return {
    policy: readPolicy({ file: 'p.yaml', text: `version: 1\n${text}` }),
    tools: { run_tests: { version: 1, capabilities: ['process_exec'] } },
    prices: {},
    image: { name: 'base', id: `sha256:${'0'.repeat(64)}` },
  }
}

const RULE =
  'paths: { deny_write: [x] }\nrules: [{ id: a, capability: git_push, decision: allow }]\n'

test('policySnapshot() gives equal parts equal hashes, and each other part another', () => {
  const { hash } = policySnapshot(parts(RULE))
  expect(policySnapshot(parts(RULE)).hash).toBe(hash)
  const others = [
    parts(''),
    { ...parts(RULE), tools: {} },
    { ...parts(RULE), prices: { model: 1 } },
    { ...parts(RULE), image: { name: 'base', id: 'other' } },
  ]
  for (const other of others) expect(policySnapshot(other).hash).not.toBe(hash)
})

test('policySnapshot() survives being stored, and decides as before', () => {
  const { snapshot } = policySnapshot(parts(RULE))
  const stored = PolicySnapshot.parse(JSON.parse(JSON.stringify(snapshot)))
  expect(stored).toEqual(snapshot)
  const request = {
    capability: 'repo_write',
    resource: { kind: 'path', path: 'x/y', access: 'write' },
    mode: 'workspace_write',
    stage: 's',
    subject: 't',
  } as const
  expect(evaluate(stored.policy, request).matched).toEqual(['builtin:deny-write'])
})

test('policySnapshot() does not follow later changes of its parts', () => {
  const given = parts(RULE)
  const { snapshot } = policySnapshot(given)
  given.policy.rules.length = 0
  expect(snapshot.policy.rules).toHaveLength(1)
})
