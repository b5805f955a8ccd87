/**
 * The escape corpus in a gVisor sandbox, on a second engine of the tests' own. That the attacks work
 * elsewhere is shown by the controls of corpus.test.ts. Skipped with the reason where gVisor cannot be
 * had, unless OPENEXEC_REQUIRE_GVISOR=1 wants it.
 */
import { chmodSync, copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type Docker from 'dockerode'
import { afterAll, beforeAll, expect, type TestContext } from 'vitest'
import type { Engine } from '../../src/sandbox/connect.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import type { Confinement } from '../../src/schema/index.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { type GvisorEngine, gvisorEngine } from '../helpers/gvisor-engine.ts'
import {
  containersOf,
  run,
  type SandboxBench,
  sandboxBench,
  testConfinement,
} from '../helpers/sandbox.ts'
import { exported, type Host, KIT, openHost } from './arena.ts'
import type { Attempt } from './attempt.ts'
import { CORPUS } from './corpus.ts'
import { ENDS_A_GVISOR_SANDBOX, INSIDE_GVISOR_ONLY } from './gvisor-exceptions.ts'

const INSTANCE = 'test-gvisor'
const IMAGES = ['openexec/base:latest', 'openexec/supervisor:latest']
const MIB = 1024 ** 2
const SETUP_TIMEOUT_MS = 300_000

let own: GvisorEngine | undefined
let missing = 'not set up'
let bench: SandboxBench
let host: Host
let sandbox: Sandbox
let prelude: string

beforeAll(async () => {
  const got = await gvisorEngine(IMAGES, testEngine())
  if (typeof got === 'string') {
    missing = got
    if (process.env['OPENEXEC_REQUIRE_GVISOR'] === '1') throw new Error(got)
    return
  }
  own = got
  bench = sandboxBench(INSTANCE, async () => got.engine)
  const opened = await openWithKit()
  sandbox = opened.sandbox
  host = await openHost(dirname(opened.tree))
  const address = host.words['HOST_ADDRESS'] ?? ''
  prelude = exported({ ...host.words, GATEWAY: address, NEIGHBOUR: address })
}, SETUP_TIMEOUT_MS)
afterAll(async () => {
  await bench?.closeAll()
  host?.close()
  const left = own === undefined ? 0 : await containersOf(own.engine, INSTANCE)
  await own?.close()
  expect(left).toBe(0)
}, SETUP_TIMEOUT_MS)

/** A test that needs gVisor, and says why when there is none. */
function gvisorTest(title: string, body: (engine: GvisorEngine) => Promise<void>): void {
  dockerTest(title, async (context: TestContext) => {
    if (own === undefined) return context.skip(missing)
    await body(own)
  })
}

function confinement(): Confinement {
  const limits = { memory: 256 * MIB, pids: 256 }
  const given = testConfinement('workspace_write', limits)
  return {
    ...given,
    isolation: 'gvisor',
    ulimits: given.ulimits.map((one) =>
      one.name === 'nofile'
        ? { ...one, soft: 256, hard: 256 }
        : one.name === 'fsize'
          ? { ...one, soft: 4 * MIB, hard: 4 * MIB }
          : one,
    ),
    tmpfs: given.tmpfs.map((mount) =>
      mount.target === '/tmp' ? { ...mount, size: 8 * MIB } : mount,
    ),
    shm: 8 * MIB,
  }
}

let kit: string | undefined

async function openWithKit(): Promise<{ sandbox: Sandbox; tree: string }> {
  const slot = bench.slot(confinement())
  const opened = await bench.sandboxes.open(slot.spec, { signal: AbortSignal.timeout(60_000) })
  const program = join(slot.tree, 'kit')
  if (kit === undefined) {
    copyFileSync(KIT, join(slot.tree, 'kit.c'))
    const built = await run(opened, 'gcc -O1 -o kit kit.c')
    if (built.exitCode !== 0) throw new Error(`Cannot build the kit: ${built.stderr}`)
    for (const [name, mode] of [
      ['set-uid', 0o4755],
      ['set-gid', 0o2755],
    ] as const) {
      copyFileSync('/usr/bin/id', join(slot.tree, name))
      chmodSync(join(slot.tree, name), mode)
    }
    kit = program
  } else copyFileSync(kit, program)
  return { sandbox: opened, tree: slot.tree }
}

const confined = (attempt: Attempt) =>
  run(sandbox, `${prelude}; ${attempt.script}`, { timeoutMs: 20_000 })

for (const attempt of CORPUS) {
  const { what } = attempt
  const reach = INSIDE_GVISOR_ONLY[what]
  if (ENDS_A_GVISOR_SANDBOX.includes(what))
    gvisorTest(`gVisor does not let anybody ${what}`, async () => {
      const opened = await openWithKit()
      const ran = await run(opened.sandbox, attempt.script).catch((error: unknown) => error)
      await opened.sandbox.close()
      if (ran instanceof Error) expect(ran).toMatchObject({ code: 'sandbox_lost' })
      else expect(ran).toMatchObject({ stdout: expect.not.stringContaining('ESCAPED') })
    })
  else if (reach === undefined)
    gvisorTest(`gVisor does not let anybody ${what}`, async () => {
      const { stdout, timedOut } = await confined(attempt)
      expect(stdout).not.toContain('ESCAPED')
      expect(timedOut).toBe(false)
    })
  else
    gvisorTest(`gVisor lets one ${what}, of the sandbox itself: ${reach}`, async () => {
      expect((await confined(attempt)).stdout).toContain('ESCAPED')
    })
}

gvisorTest(
  'a gVisor sandbox has a complete receipt that knows what gVisor does not show',
  async () => {
    const { items, complete, engine } = sandbox.receipt
    expect({ complete, runtime: engine.runtime }).toEqual({ complete: true, runtime: 'runsc' })
    const statusOf = Object.fromEntries(items.map(({ guarantee, status }) => [guarantee, status]))
    expect(statusOf).toMatchObject({
      kernel: 'enforced',
      seccomp: 'enforced',
      memory: 'enforced',
      no_new_privileges: 'soft',
      supervisor_privacy: 'soft',
    })
    expect((await run(sandbox, 'dmesg 2>&1; uname -r')).stdout).toContain('4.4.0')
  },
)

gvisorTest('a runtime under the name of gVisor that is none is seen', async ({ engine }) => {
  await expect(openAs(engine, 'runc')).rejects.toMatchObject({
    code: 'confinement_weaker',
    message: expect.stringContaining('kernel ('),
  })
})

gvisorTest('a runtime that does not start is refused by name', async ({ engine }) => {
  await expect(openAs(engine, 'broken')).rejects.toMatchObject({
    code: 'confinement_unsupported',
    message: expect.stringContaining('gvisor'),
  })
})

/** The engine takes another runtime than the one it is told. */
async function openAs(real: Engine, Runtime: string): Promise<void> {
  const docker: Docker = Object.create(real.docker)
  docker.createContainer = (options: Docker.ContainerCreateOptions) =>
    real.docker.createContainer(
      options.HostConfig?.Runtime === 'runsc'
        ? { ...options, HostConfig: { ...options.HostConfig, Runtime } }
        : options,
    )
  const other = sandboxBench(INSTANCE, async () => ({ ...real, docker }))
  try {
    await other.open(confinement())
  } finally {
    await other.closeAll()
  }
}
