import { expect, test } from 'vitest'
import { SandboxMode } from '../schema/index.ts'
import { overridePolicy, stageMode, stageNetwork } from './narrow.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

const NOTHING = { sandbox: undefined, timeoutMs: undefined }
const SILENT = { blueprint: undefined, stage: undefined }

function policyOf(text: string) {
  return readPolicy({ file: 'p.yaml', text: `version: 1\n${text}` })
}

test('overridePolicy() lets a caller narrow', () => {
  const policy = overridePolicy(defaultPolicy(), {
    from: 'caller',
    sandbox: 'read_only',
    timeoutMs: 60_000,
  })
  expect([policy.sandbox, policy.limits.wall]).toEqual(['read_only', 60_000])
})

test.each([
  [
    { sandbox: 'repo_write', timeoutMs: undefined } as const,
    'Cannot use sandbox mode "repo_write"',
  ],
  [{ sandbox: undefined, timeoutMs: 1_800_001 }, 'Cannot use a time limit of 1800001 ms'],
])('overridePolicy() refuses a caller who wants more: %j', (wishes, message) => {
  expect(() => overridePolicy(defaultPolicy(), { from: 'caller', ...wishes })).toThrow(
    expect.objectContaining({ code: 'policy_denied', message: expect.stringContaining(message) }),
  )
})

test('overridePolicy() lets the operator widen', () => {
  const wishes = { sandbox: 'danger_full_access', timeoutMs: 7_200_000 } as const
  const policy = overridePolicy(defaultPolicy(), { from: 'operator', ...wishes })
  expect([policy.sandbox, policy.limits.wall]).toEqual(['danger_full_access', 7_200_000])
})

test('overridePolicy() changes nothing when nothing is asked', () => {
  expect(overridePolicy(defaultPolicy(), { from: 'caller', ...NOTHING })).toEqual(defaultPolicy())
})

test('stageMode() takes the first word of stage, flag, blueprint and policy', () => {
  const file = policyOf('sandbox: repo_write')
  const flag = overridePolicy(file, { from: 'caller', ...NOTHING, sandbox: 'workspace_write' })
  expect(stageMode(file, SILENT)).toBe('repo_write')
  expect(stageMode(file, { ...SILENT, blueprint: 'workspace_write' })).toBe('workspace_write')
  expect(stageMode(flag, { ...SILENT, blueprint: 'repo_write' })).toBe('workspace_write')
  expect(stageMode(flag, { blueprint: 'repo_write', stage: 'read_only' })).toBe('read_only')
})

test('stageMode() never gives more than the policy permits', () => {
  for (const permitted of SandboxMode.options)
    for (const wanted of SandboxMode.options) {
      const policy = policyOf(`sandbox: ${permitted}`)
      const wider = SandboxMode.options.indexOf(wanted) > SandboxMode.options.indexOf(permitted)
      const ask = () => stageMode(policy, { ...SILENT, stage: wanted })
      if (wider) expect(ask).toThrow(expect.objectContaining({ code: 'policy_denied' }))
      else expect(ask()).toBe(wanted)
    }
})

test('stageMode() refuses a blueprint that wants more than the policy says', () => {
  const ask = () => stageMode(defaultPolicy(), { ...SILENT, blueprint: 'repo_write' })
  expect(ask).toThrow('Cannot use sandbox mode "repo_write": the policy permits "workspace_write"')
})

const NETWORK = policyOf('network: { allow: ["*.example.com", a.test], presets: [npm] }')

test('stageNetwork() gives a silent stage all of the policy, and read_only nothing', () => {
  const all = ['*.example.com', 'a.test', 'preset:npm']
  expect(stageNetwork(NETWORK, 'workspace_write', undefined)).toEqual(all)
  expect(stageNetwork(NETWORK, 'read_only', undefined)).toEqual([])
  expect(stageNetwork(NETWORK, 'workspace_write', [])).toEqual([])
})

test('stageNetwork() lets a stage name a part of what is permitted', () => {
  const hosts = stageNetwork(NETWORK, 'workspace_write', ['B.example.com:443', 'a.test'])
  expect(hosts).toEqual(['a.test', 'b.example.com:443'])
})

test.each([
  ['workspace_write', 'evil.test', 'not in network.allow'],
  ['workspace_write', 'example.com', 'not in network.allow'],
  ['workspace_write', 'a.test:22', 'not in network.allow'],
  ['workspace_write', '*', 'name the hosts'],
  ['read_only', 'a.test', 'mode read_only has no network'],
] as const)('stageNetwork() refuses a stage in %s that asks for %j', (mode, host, message) => {
  expect(() => stageNetwork(NETWORK, mode, [host])).toThrow(
    expect.objectContaining({ code: 'policy_denied', message: expect.stringContaining(message) }),
  )
})
