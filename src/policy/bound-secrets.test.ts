import { expect, test } from 'vitest'
import { secretsFor, seenNames, mustSee } from './bound-secrets.ts'
import { explainPolicy } from './explain.ts'
import { decideNetwork, networkList } from './network.ts'
import { readPolicy } from './read-policy.ts'

const POLICY = readPolicy({
  file: 'p.yaml',
  text: `version: 1
network: { allow: [a.test, "a.test:8443", "*.b.test", c.test, { host: d.test, paths: ["/x"] }, { host: 20.0.0.1, paths: ["/x"] }] }
secrets:
  - { name: A, from: env, hosts: [a.test], as: { header: X } }
  - { name: B, from: env, hosts: ["*.b.test"], plain_http: true, as: { header: X } }
rules:
  - { id: none, capability: secret_read, decision: block, when: { stage: [closed] } }
`,
})

function names(host: string, port: number, stage = 'open'): string[] | 'denied' {
  const list = networkList(POLICY, { mode: 'workspace_write', stage, network: undefined })
  const decision = decideNetwork(list, { host, port })
  if (!decision.allow) return 'denied'
  return secretsFor(list, decision).map(({ name }) => name)
}

test('secretsFor() gives a secret to the hosts and ports it is bound to', () => {
  expect(names('a.test', 443)).toEqual(['A'])
  expect(names('A.TEST.', 443)).toEqual(['A'])
  expect(names('x.b.test', 443)).toEqual(['B'])
  expect(names('c.test', 443)).toEqual([])
})

test('secretsFor() takes port 80 only where plain HTTP is permitted, and others only by name', () => {
  expect(names('a.test', 80)).toEqual([])
  expect(names('x.b.test', 80)).toEqual(['B'])
  expect(names('a.test', 8443)).toEqual([])
})

test('secretsFor() gives nothing to a stage that a rule takes it from', () => {
  expect(names('a.test', 443, 'closed')).toEqual([])
})

test('mustSee() holds for secrets and conditions, and never for addresses', () => {
  const list = networkList(POLICY, { mode: 'workspace_write', stage: 's', network: undefined })
  const seen = (host: string) => {
    const decision = decideNetwork(list, { host, port: 443 })
    return decision.allow && mustSee(list, decision)
  }
  expect(['a.test', 'd.test', 'c.test', '20.0.0.1'].map(seen)).toEqual([true, true, false, false])
})

test('seenNames() names what an authority may have to sign for', () => {
  expect(seenNames(POLICY)).toEqual(['a.test', 'b.test', 'd.test'])
})

test('explainPolicy() names secrets and hosts, and what decides over them', () => {
  const options = { runtimes: ['runc'], network: undefined, omitsDeniedPaths: true }
  const { secrets, capabilities } = explainPolicy(POLICY, 'workspace_write', options)
  expect(secrets).toEqual([
    'A (from env) to a.test in header X',
    'B (from env) to *.b.test in header X, also outside of TLS',
  ])
  expect(capabilities.find(({ capability }) => capability === 'secret_read')).toMatchObject({
    decision: 'allow',
    rules: ['builtin:secret'],
    conditional: ['none'],
  })
})
