import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect } from 'vitest'
import { connectEngine } from '../../src/sandbox/connect.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { engineProxy } from '../helpers/engine-proxy.ts'
import {
  containerOf,
  containersOf,
  run,
  type SandboxBench,
  sandboxBench,
  testConfinement,
} from '../helpers/sandbox.ts'

const INSTANCE = 'test-life'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())
const confinement = testConfinement('workspace_write')
const never = new AbortController().signal

async function timed<T>(work: Promise<T>): Promise<{ ms: number; error: unknown }> {
  const before = performance.now()
  const error: unknown = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  return { ms: performance.now() - before, error }
}

/** A command that runs until something ends it; resolves when its first output is there. */
async function runningForever(sandbox: Sandbox) {
  let ready: () => void = () => {}
  const started = new Promise<void>((resolve) => {
    ready = resolve
  })
  const ended = timed(
    sandbox.exec({
      argv: ['/bin/sh', '-c', 'echo ready; sleep 999'],
      env: {},
      cwd: '/tmp',
      timeoutMs: 60_000,
      stdin: Buffer.of(),
      signal: never,
      onOutput: () => ready(),
    }),
  )
  await started
  return { ended }
}

dockerTest('exec() says sandbox_lost when the container is killed under it', async () => {
  const sandbox = await bench.open(confinement)
  const { ended } = await runningForever(sandbox)
  const id = await containerOf(testEngine(), sandbox.id)
  const before = performance.now()
  await testEngine().docker.getContainer(id).kill()
  expect(await ended).toMatchObject({ error: { code: 'sandbox_lost' } })
  expect(performance.now() - before).toBeLessThan(3_000)
  await expect(sandbox.stat('/workspace')).rejects.toMatchObject({ code: 'sandbox_lost' })
  await sandbox.close()
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})

dockerTest('exec() says sandbox_lost when somebody removes the container', async () => {
  const sandbox = await bench.open(confinement)
  const { ended } = await runningForever(sandbox)
  const id = await containerOf(testEngine(), sandbox.id)
  await testEngine().docker.getContainer(id).remove({ force: true, v: true })
  expect(await ended).toMatchObject({ error: { code: 'sandbox_lost' } })
  await sandbox.close()
})

dockerTest('exec() ends with sandbox_lost when the sandbox is closed under it', async () => {
  const sandbox = await bench.open(confinement)
  const { ended } = await runningForever(sandbox)
  const closed = await timed(sandbox.close())
  expect(closed.error).toBeUndefined()
  expect(await ended).toMatchObject({ error: { code: 'sandbox_lost' } })
})

/** A bench whose engine can be cut off without harm to the real one. */
async function fragile(): Promise<{
  own: SandboxBench
  proxy: Awaited<ReturnType<typeof engineProxy>>
}> {
  const proxy = await engineProxy(testEngine().endpoint)
  const address = { endpoint: proxy.endpoint, source: 'test', tlsFolder: undefined }
  return { proxy, own: sandboxBench(INSTANCE, (signal) => connectEngine(address, signal)) }
}

dockerTest('exec() ends in bounded time with engine_failed when the engine dies', async () => {
  const { own, proxy } = await fragile()
  const sandbox = await own.open(confinement)
  const { ended } = await runningForever(sandbox)
  const before = performance.now()
  await proxy.cut()
  expect(await ended).toMatchObject({ error: { code: 'engine_failed' } })
  expect(performance.now() - before).toBeLessThan(5_000)
  const closed = await timed(sandbox.close())
  expect(closed.error).toMatchObject({ code: 'engine_unavailable' })
  await proxy.restore()
  await sandbox.close()
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
  await own.closeAll()
  await proxy.close()
})

dockerTest(
  'open() says engine_unavailable and leaves nothing when the engine dies under it',
  async () => {
    const { own, proxy } = await fragile()
    await own.sandboxes.facts({ signal: never })
    const opening = timed(own.open(confinement))
    await delay(80)
    await proxy.cut()
    const { ms, error } = await opening
    expect(error).toMatchObject({ code: expect.stringMatching(/^(engine_|sandbox_)/) })
    expect(ms).toBeLessThan(30_000)
    await proxy.restore()
    // What could not be removed through the dead engine is what the reaper is for.
    const reaped = await own.sandboxes.reap(() => false, { signal: never })
    expect(reaped.length).toBeLessThanOrEqual(1)
    expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
    await own.closeAll()
    await proxy.close()
  },
)

dockerTest('open() leaves nothing behind wherever it is cancelled', async () => {
  await bench.sandboxes.facts({ signal: never })
  for (const ms of [0, 5, 20, 60, 120, 180, 240, 300]) {
    const slot = bench.slot(confinement)
    const controller = new AbortController()
    const opening = bench.sandboxes.open(slot.spec, { signal: controller.signal })
    await delay(ms)
    controller.abort()
    const outcome = await opening.catch((error: Error) => error)
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'cancelled' })
    // On a quick machine the last ones are ready before they are cancelled.
    else await outcome.close()
    expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
    const left = readdirSync(slot.spec.slot).includes('users')
      ? readdirSync(join(slot.spec.slot, 'users'))
      : []
    expect(left).toEqual([])
  }
})

dockerTest('open() names an image the engine does not have', async () => {
  const { spec } = bench.slot(confinement)
  const opening = bench.sandboxes.open({ ...spec, image: 'no-such-image:1' }, { signal: never })
  await expect(opening).rejects.toMatchObject({ code: 'image_not_found' })
})

dockerTest('open() refuses gVisor by name where the engine has no such runtime', async () => {
  const { runtimes } = await bench.sandboxes.facts({ signal: never })
  if (runtimes.includes('runsc')) return
  const { spec } = bench.slot({ ...confinement, isolation: 'gvisor' })
  await expect(bench.sandboxes.open(spec, { signal: never })).rejects.toMatchObject({
    code: 'confinement_unsupported',
    message: expect.stringContaining('gvisor'),
  })
})

dockerTest('open() refuses to run as root', async () => {
  const { spec } = bench.slot(confinement)
  const opening = bench.sandboxes.open({ ...spec, user: { uid: 0, gid: 0 } }, { signal: never })
  await expect(opening).rejects.toMatchObject({ code: 'confinement_unsupported' })
})

dockerTest('open() of a closed program is refused, and all that was open is gone', async () => {
  const own = sandboxBench(INSTANCE, async () => testEngine())
  const slots = [own.slot(confinement), own.slot(confinement)]
  const opened = slots.map(({ spec }) => own.sandboxes.open(spec, { signal: never }))
  const settled = Promise.allSettled(opened)
  await Promise.race(opened)
  await own.closeAll()
  await settled
  const { spec } = bench.slot(confinement)
  await expect(own.sandboxes.open(spec, { signal: never })).rejects.toMatchObject({
    code: 'cancelled',
  })
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})

dockerTest('open() of several at once shares what is asked once', async () => {
  const own = sandboxBench(INSTANCE, async () => testEngine())
  const opened = await Promise.all([1, 2, 3].map(() => own.open(confinement)))
  const ran = await Promise.all(opened.map((sandbox, n) => run(sandbox, `echo ${n}`)))
  expect(ran.map(({ stdout }) => stdout)).toEqual(['0\n', '1\n', '2\n'])
  await own.closeAll()
})
