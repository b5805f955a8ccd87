import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { writeLabels, type SandboxLabels } from '../../src/sandbox/labels.ts'
import { processOwner } from '../../src/sandbox/process-owner.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { containersOf, run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-reap'
expectNoLeftovers(INSTANCE)

/** Directories of processes that are killed, which cannot remove them. */
const room = mkdtempSync(join(tmpdir(), 'openexec-reap-test-'))
afterAll(() => rmSync(room, { recursive: true }))

const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())
const signal = new AbortController().signal
const reap = async (isLive: (labels: SandboxLabels) => boolean = () => false) =>
  (await bench.sandboxes.reap(isLive, { signal })).filter(({ run: id }) =>
    id.startsWith('run_test'),
  )

/** Another orchestrator with a running command in its sandbox. */
async function orchestrator(): Promise<{ child: ChildProcess; sandbox: string }> {
  const program = 'test/fixtures/programs/open-and-hang.ts'
  const child = spawn(process.execPath, [program, INSTANCE], {
    env: { ...process.env, TMPDIR: room },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const chunk of child.stdout ?? []) {
    said += String(chunk)
    if (said.includes('\n')) break
  }
  return { child, sandbox: said.trim() }
}

async function killed(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

dockerTest('reap() leaves a living orchestrator alone and cleans up after kill -9', async () => {
  const { child, sandbox } = await orchestrator()
  expect(await reap()).toEqual([])
  expect(await containersOf(testEngine(), INSTANCE)).toBe(1)
  await killed(child)
  expect(await reap((labels) => labels.sandbox === sandbox)).toEqual([])
  expect(await reap()).toMatchObject([{ kind: 'container', sandbox, why: 'owner_dead' }])
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
  expect(await reap()).toEqual([])
})

dockerTest('reap() does not touch the sandboxes of its own process', async () => {
  const sandbox = await bench.open(testConfinement('workspace_write'))
  expect(await reap()).toEqual([])
  expect(await run(sandbox, ['/bin/true'])).toMatchObject({ exitCode: 0 })
  await sandbox.close()
})

const labels = (change: Partial<SandboxLabels>) =>
  writeLabels({
    instance: INSTANCE,
    run: 'run_test',
    sandbox: 'sbx_x',
    slot: 'x',
    expires: Date.now() + 60_000,
    owner: '4194304:1@0123456789abcdef',
    confinement: 'c',
    ...change,
  })

const createIdle = (Labels: Record<string, string>) =>
  testEngine().docker.createContainer({
    Image: 'openexec/base:latest',
    Cmd: ['/bin/true'],
    Labels,
    HostConfig: { NetworkMode: 'none' },
  })

dockerTest('reap() removes what another machine created only once it has expired', async () => {
  const fresh = await createIdle(labels({}))
  const expired = await createIdle(labels({ sandbox: 'sbx_old', expires: Date.now() - 1 }))
  expect(await reap()).toMatchObject([{ id: expired.id, why: 'expired' }])
  await fresh.remove({ v: true })
})

dockerTest('reap() removes volumes, after the containers that use them', async () => {
  const dead = labels({ owner: processOwner().replace(/:\d+@/, ':1@') })
  const name = `openexec-test-reap-${process.pid}`
  await testEngine().docker.createVolume({ Name: name, Labels: dead })
  await testEngine().docker.createContainer({
    Image: 'openexec/base:latest',
    Cmd: ['/bin/true'],
    Labels: dead,
    HostConfig: { NetworkMode: 'none', Mounts: [{ Type: 'volume', Source: name, Target: '/v' }] },
  })
  expect((await reap()).map(({ kind }) => kind)).toEqual(['container', 'volume'])
})

dockerTest('reap() leaves alone what only looks like one of ours', async () => {
  const other = await createIdle({ 'openexec.instance': INSTANCE, 'openexec.owner': 'nobody' })
  expect(await reap()).toEqual([])
  await other.remove({ v: true })
})

dockerTest('reap() of two processes at once fails for neither', async () => {
  const dead = labels({ owner: processOwner().replace(/:\d+@/, ':1@') })
  await Promise.all([1, 2, 3].map(() => createIdle(dead)))
  const reaped = await Promise.all([reap(), reap()])
  expect(new Set(reaped.flat().map(({ id }) => id)).size).toBe(3)
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})
