import { expect, test } from 'vitest'
import type { OperatorSecret } from '../schema/index.ts'
import { expandSecrets, type SecretGrant } from './operator-secrets.ts'
import { readPolicy } from './read-policy.ts'

const as = { header: 'X-Key' }
const declared: OperatorSecret[] = [
  { name: 'OWN', from: 'env', hosts: ['a.test'], as },
  { name: 'FOR_ACME', from: 'file', source: '/s', hosts: ['a.test'], as, tenants: ['acme'] },
  { name: 'FOR_ALL', from: 'env', hosts: ['a.test'], as, tenants: ['*'] },
  { name: 'BROKEN', from: 'file', hosts: ['10.0.0.1'], as, tenants: ['*'] },
]
const acme: SecretGrant = { declared, tenant: 'acme', declaredOnly: true }
const operator: SecretGrant = { ...acme, tenant: 'default' }

function bound(name: string, grant: SecretGrant): object[] {
  const text = `version: 1\nsecrets: [{ name: ${name}, from: operator }]\n`
  const policy = expandSecrets(readPolicy({ file: 'p.yaml', text }), grant)
  expect(policy.operatorSecrets).toBeUndefined()
  return policy.secrets
}

test('expandSecrets() takes hosts and use from the declaration, and no source', () => {
  expect(bound('FOR_ACME', acme)).toEqual([
    { name: 'FOR_ACME', from: 'operator', hosts: ['a.test'], as },
  ])
  expect(bound('FOR_ALL', acme)).toHaveLength(1)
  expect(bound('OWN', operator)).toHaveLength(1)
})

test.each([
  ['OWN', acme],
  ['FOR_ACME', operator],
  ['FOR_ACME', { ...acme, tenant: 'other' }],
  ['NOBODYS', acme],
])(
  'expandSecrets() refuses %s to whom it was not declared for, as if it were not there',
  (name, grant) => {
    expect(() => bound(name, grant)).toThrow(
      `Cannot use secret "${name}": the operator has declared none of that name for tenant "${grant.tenant}"`,
    )
  },
)

test('expandSecrets() says what is wrong with a declaration', () => {
  expect(() => bound('BROKEN', acme)).toThrow('"from: file" needs a source')
})

test('expandSecrets() refuses sources of the machine to what came over the network', () => {
  const text =
    'version: 1\nnetwork: { allow: [a.test] }\nsecrets: [{ name: A, from: env, hosts: [a.test], as: { header: X } }]\n'
  const policy = readPolicy({ file: 'p.yaml', text })
  expect(() => expandSecrets(policy, operator)).toThrow('Cannot use secret "A": a request over')
  expect(expandSecrets(policy, { ...operator, declaredOnly: false }).secrets).toHaveLength(1)
})
