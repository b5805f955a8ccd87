import fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect } from 'vitest'
import { bodyOf } from '../../src/cli/client.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { type EngineProxy, engineProxy } from '../helpers/engine-proxy.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { runWorlds } from '../helpers/run-world.ts'

const proxies: EngineProxy[] = []
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close()
})
// Closed before their engines: what is registered last runs first.
const open = runWorlds()

async function openProxy(rewrite?: (chunk: Buffer) => Buffer): Promise<EngineProxy> {
  const proxy = await engineProxy(testEngine().endpoint, rewrite)
  proxies.push(proxy)
  return proxy
}

describe('an engine that dies', () => {
  for (const moment of ['workspace_created', 'sandbox_started', 'command_started'])
    dockerTest(`a run whose engine dies at ${moment} ends, and gc removes the rest`, async () => {
      const proxy = await openProxy()
      const world = await open(undefined, proxy.endpoint)
      const run = await world.submit({ command: ['sleep', '30'] })
      const ended = await world.follow(run, {
        onEvent: ({ type }) => void (type === moment && proxy.cut()),
      })
      expect(ended.result).toMatchObject({ status: 'failed', exit_code: 125 })
      expect(['engine_failed', 'sandbox_lost', 'sandbox_failed']).toContain(ended.result.reason)
      const { sandboxes: _, ...rest } = timelineOf(ended)
      const { sandboxes: __, ...whole } = WHOLE
      expect(rest).toEqual(whole)
      await proxy.restore()
      await bodyOf(world.client.v1.gc.$post({ json: { olderThanMs: 1000, keep: 9 } }))
    })

  dockerTest('gc without an engine still removes what needs none', async () => {
    const proxy = await openProxy()
    const world = await open(undefined, proxy.endpoint)
    const { run } = await world.shell('true')
    await proxy.cut()
    const report = await bodyOf(world.client.v1.gc.$post({ json: { olderThanMs: 0, keep: 0 } }))
    expect(report).toMatchObject({ runs: [run.id], engine: expect.stringMatching(/engine/i) })
    const gone = await world.client.v1.runs[':id'].$get({ param: { id: run.id } })
    expect(gone.status).toBe(404)
    expect(fs.existsSync(join(world.stateDir, 'runs', run.id))).toBe(false)
    await proxy.restore()
  })
})

describe('an engine that enforces less than asked', () => {
  // Same length, so that the request stays what its headers say.
  const weaken = (chunk: Buffer) => {
    const text = chunk.toString('latin1')
    return Buffer.from(text.replace(/"PidsLimit":512/, '"PidsLimit":-1 '), 'latin1')
  }

  dockerTest('a run does not start, and nothing of it runs', async () => {
    const proxy = await openProxy(weaken)
    const world = await open(undefined, proxy.endpoint)
    const ended = await world.shell('echo ran > made')
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'confinement_weaker' })
    expect(ended.result.exit_code).toBe(125)
    expect(ended.types).not.toContain('command_started')
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('a run that accepts it goes on, and its timeline says so', async () => {
    const proxy = await openProxy(weaken)
    const world = await open(undefined, proxy.endpoint)
    const ended = await world.shell('true', { acceptDegraded: true })
    expect(ended.result.status).toBe('succeeded')
    const receipt = ended.events.find(({ type }) => type === 'sandbox_receipt')
    expect(receipt?.payload).toMatchObject({ complete: false, degraded: true })
    expect(receipt?.payload['missing']).not.toEqual([])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })
})

describe('an image that comes to mean another one', () => {
  dockerTest('a run refuses it, and leaves nothing', async () => {
    const { docker } = testEngine()
    const name = 'openexec-test-moving:latest'
    const tag = async (from: string) =>
      await docker.getImage(from).tag({ repo: 'openexec-test-moving', tag: 'latest' })
    await tag('openexec/base:latest')
    try {
      const world = await open()
      const waiting = await world.run({
        command: ['true'],
        image: name,
        sandbox: 'danger_full_access',
      })
      expect(waiting.result.status).toBe('awaiting_approval')
      await tag('openexec/node:latest')
      await world.decide(waiting.run, true)
      const ended = await world.resume(waiting.run)
      expect(ended.result).toMatchObject({ reason: 'confinement_weaker', exit_code: 125 })
      expect(ended.types).not.toContain('command_started')
      expect(timelineOf(ended)).toEqual(WHOLE)
    } finally {
      await docker.getImage(name).remove()
    }
  })
})
