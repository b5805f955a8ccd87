import { expect, test } from 'vitest'
import { learnNetwork, learntYaml, type NetworkUse } from './learn-network.ts'
import { decideNetwork, networkList } from './network.ts'
import { readPolicy } from './read-policy.ts'

function use(host: string, port: number, given: Partial<NetworkUse> = {}): NetworkUse {
  return { host, port, method: undefined, decision: 'allowed', connections: 1, ...given }
}

const EXACT = { mergeSuffixes: false }

test('learnNetwork() gives each host with its port, and methods where all requests were seen', () => {
  const learnt = learnNetwork(
    [
      use('b.test', 443),
      use('a.test', 80, { method: 'HEAD' }),
      use('a.test', 80, { method: 'GET', connections: 2 }),
      use('c.test', 80, { method: 'GET' }),
      use('c.test', 80),
      use('evil.test', 443, { decision: 'denied' }),
      use('b.test', 443, { decision: 'denied' }),
    ],
    EXACT,
  )
  expect(learnt).toEqual({
    allow: [
      { host: 'a.test:80', methods: ['GET', 'HEAD'], connections: 3 },
      { host: 'b.test:443', methods: [], connections: 1 },
      { host: 'c.test:80', methods: [], connections: 2 },
    ],
    denied: ['evil.test:443'],
  })
})

test('learnNetwork() makes a suffix of several hosts only when asked to, and never of one label', () => {
  const uses = [
    use('a.cdn.test', 443),
    use('b.cdn.test', 443),
    use('x.test', 443),
    use('y.test', 443),
    use('20.0.0.1', 443),
    use('20.1.0.1', 443),
  ]
  const hosts = (mergeSuffixes: boolean) =>
    learnNetwork(uses, { mergeSuffixes }).allow.map(({ host }) => host)
  expect(hosts(false)).toContain('a.cdn.test:443')
  expect(hosts(true)).toEqual([
    '*.cdn.test:443',
    '20.0.0.1:443',
    '20.1.0.1:443',
    'x.test:443',
    'y.test:443',
  ])
})

test('learntYaml() is a policy that permits what was used and nothing else', () => {
  const learnt = learnNetwork(
    [use('a.test', 443), use('2001:db8::1', 8443), use('no.test', 443, { decision: 'denied' })],
    EXACT,
  )
  const policy = readPolicy({ file: 'learnt.yaml', text: learntYaml(learnt) })
  const list = networkList(policy, { mode: 'workspace_write', stage: 's', network: undefined })
  const asks = (host: string, port: number) => decideNetwork(list, { host, port }).allow
  expect(asks('a.test', 443)).toBe(true)
  expect(asks('2001:db8::1', 8443)).toBe(true)
  expect(asks('a.test', 80)).toBe(false)
  expect(asks('no.test', 443)).toBe(false)
  expect(
    readPolicy({ file: 'p', text: learntYaml(learnNetwork([], EXACT)) }).network.allow,
  ).toEqual([])
})
