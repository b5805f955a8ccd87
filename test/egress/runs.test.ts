/** What policy and stages say of the network, through the whole program. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { bodyOf } from '../../src/cli/client.ts'
import { dockerTest } from '../helpers/docker.ts'
import { grown } from '../helpers/kill-rounds.ts'
import { runWorlds } from '../helpers/run-world.ts'
import { testInternet, type TestInternet } from '../helpers/test-internet.ts'

let internet: TestInternet
beforeAll(async () => {
  internet = await testInternet()
})
afterAll(() => internet[Symbol.asyncDispose]())

const POLICY = 'version: 1\nnetwork: { allow: [allowed.test, "*.other.test"] }\n'
const ASK =
  'curl -sS -o /dev/null -o /dev/null -w "%{http_code} " http://allowed.test/x http://evil.test/y; true'
/** A public host, and a name with a private address. */
const AUDITED =
  'curl -sS -I -o /dev/null -w "%{http_code} " http://other.test/x; curl -sS -o /dev/null -w "%{http_code} " http://inner.test/'
const BLUEPRINT = `version: 1
name: net
description: Open for one stage, closed for the next
stages:
  - { id: open, type: deterministic, action: run_command, with: { argv: [sh, -c, '${ASK}'] }, network: [allowed.test] }
  - { id: closed, type: deterministic, action: run_command, with: { argv: [sh, -c, '${ASK}'] }, network: [] }
`

describe('runs with a network', () => {
  const open = runWorlds()

  dockerTest('a stage reaches what it names, the next one nothing, in one container', async () => {
    const world = await open(undefined, undefined, internet)
    world.write('net.yaml', BLUEPRINT)
    world.write('net.policy.yaml', POLICY)
    const ended = await world.run({
      blueprint: join(world.repo, 'net.yaml'),
      policyFile: join(world.repo, 'net.policy.yaml'),
      image: 'base',
    })
    expect(ended.ends).toEqual(['open.1 succeeded', 'closed.1 succeeded'])
    expect(ended.stdout).toBe('200 403 403 403 ')
    expect(ended.types.filter((type) => type === 'sandbox_started')).toHaveLength(1)
    expect(internet.arrived).toEqual(['http GET allowed.test /x'])
    const told = ended.events
      .filter(({ type }) => type === 'egress')
      .map(({ stage, payload }) => [stage, payload['host'], payload['decision'], payload['rule']])
    expect(told).toEqual([
      ['open', 'allowed.test', 'allowed', 'network.allow: allowed.test'],
      ['open', 'evil.test', 'denied', 'builtin:host-unlisted'],
      ['closed', 'allowed.test', 'denied', 'stage:network'],
      ['closed', 'evil.test', 'denied', 'builtin:host-unlisted'],
    ])
    expect(ended.result.network).toContainEqual(
      expect.objectContaining({
        host: 'evil.test',
        port: 80,
        decision: 'denied',
        remedy: 'Add to network.allow: "evil.test"',
        connections: 2,
      }),
    )
    // Neither path nor query is ever kept.
    expect(JSON.stringify(ended.events.filter(({ type }) => type === 'egress'))).not.toContain('/x')
  })

  dockerTest(
    'a run without a network has no listener and no proxy in its environment',
    async () => {
      const world = await open(undefined, undefined, internet)
      const ended = await world.shell('env | grep -ic proxy; nc -z 127.0.0.1 3128 || echo closed')
      expect(ended.stdout).toBe('0\nclosed\n')
      expect(ended.result.network).toBeUndefined()
      expect(ended.result.hints).toBeUndefined()
      const direct = await world.shell('curl -sS http://allowed.test/')
      expect(direct.result.hints?.[0]).toContain('network.allow')
    },
  )

  dockerTest(
    'a run in audit mode waits for a person, reaches what is public, and teaches a policy',
    async () => {
      const world = await open(undefined, undefined, internet)
      internet.arrived.length = 0
      internet.names.set('inner.test', () => ['10.0.0.1'])
      world.write('audit.yaml', 'version: 1\nnetwork: { mode: audit }\n')
      const request = { image: 'base', policyFile: join(world.repo, 'audit.yaml') }
      const command = ['sh', '-c', `${AUDITED}; true`]
      const waiting = await world.run({ ...request, blueprint: 'command', command })
      expect(waiting.run.status).toBe('awaiting_approval')
      expect(internet.arrived).toEqual([])
      await world.decide(waiting.run, true)
      const ended = await world.resume(waiting.run)
      expect(ended.stdout).toBe('200 403 ')
      expect(internet.arrived).toEqual(['http HEAD other.test /x'])

      const learnt = await bodyOf(
        world.client.v1.policies.learn.$post({
          json: { runs: [ended.run.id], mergeSuffixes: false },
        }),
      )
      expect(learnt.allow).toEqual([{ host: 'other.test:80', methods: ['HEAD'], connections: 1 }])
      expect(learnt.denied).toEqual(['inner.test:80'])
      const simulated = async (text: string) => {
        const document = { file: 'p.yaml', text }
        const json = { document, runs: { last: 5 } }
        const { changes } = await bodyOf(world.client.v1.policies.simulate.$post({ json }))
        return changes.map(({ what, was, now }) => [what.split(' ')[0], was, now])
      }
      expect(await simulated('version: 1\nnetwork: { allow: [allowed.test] }\n')).toContainEqual([
        'other.test:80',
        'allow',
        'block',
      ])
      expect((await simulated(learnt.yaml)).map(([what]) => what)).not.toContain('other.test:80')
    },
  )

  dockerTest('a run that goes on after a kill -9 has its way out again', async () => {
    const world = await open(undefined, undefined, internet)
    world.write('net.policy.yaml', POLICY)
    // In the internet of the process that is killed there is no such host.
    const code = "curl -s -m 5 -o /dev/null -w '%{http_code}' http://allowed.test/again"
    const script = `echo begun; until [ "$(${code})" = 200 ]; do sleep 0.2; done; echo through`
    const child = world.begun({
      command: ['sh', '-c', script],
      policyFile: join(world.repo, 'net.policy.yaml'),
    })
    const run = await child.run
    await grown(world, run)
    await child.kill()
    await world.reopen()
    const ended = await world.resume(run)
    expect(ended.ends).toEqual(['run_command.1 succeeded'])
    expect(await world.artifact(run, 'run_command.1.command.stdout')).toBe('begun\nthrough\n')
    expect(internet.arrived).toContain('http GET allowed.test /again')
    const told = ended.events.filter(({ type }) => type === 'egress').at(-1)
    expect(told?.payload).toMatchObject({ host: 'allowed.test', decision: 'allowed' })
  })
})
