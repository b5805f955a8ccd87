/** A sandbox over an empty directory, and the plain container a user would start instead. */
import { chown, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { readConfig } from '../src/config.ts'
import { compileConfinement, defaultPolicy } from '../src/policy/index.ts'
import { createSandboxes, findEngine, type Sandbox, type Sandboxes } from '../src/sandbox/index.ts'
import { createNewId } from '../src/runtime/index.ts'

export const IMAGE = 'openexec/base:latest'
const never = new AbortController().signal
const UID = 234_567

export interface Bench {
  docker: Docker
  open(): Promise<Sandbox>
  /** Creates and starts a container as `docker run -d` does, with an idle program. */
  startPlain(network?: 'none' | 'host'): Promise<Docker.Container>
  close(): Promise<void>
}

export async function openBench(): Promise<Bench> {
  const config = readConfig()
  const engine = await findEngine(config.engine)
  const newId = createNewId()
  const sandboxes: Sandboxes = createSandboxes({
    connect: async () => engine,
    instance: 'bench',
    now: Date.now,
    log: { info: () => {}, warn: (line) => console.error(line) },
  })
  const { slot, tree, user } = await makeSlot()
  const { runtimes } = await sandboxes.facts({ signal: never })
  const confinement = compileConfinement(defaultPolicy(), 'workspace_write', {
    runtimes,
    network: undefined,
    omitsDeniedPaths: true,
  })
  const plain = new Set<Docker.Container>()
  return {
    docker: engine.docker,
    open: () =>
      sandboxes.open(
        {
          id: newId('sbx'),
          run: 'none',
          image: IMAGE,
          confinement,
          user,
          mounts: [{ source: tree, target: '/workspace', readOnly: false }],
          roots: [slot],
          readOnlyRoots: [],
          slot,
          measure: undefined,
          acceptDegraded: false,
          meanwhile: () => {},
        },
        { signal: never },
      ),
    async startPlain(network = 'none') {
      const container = await engine.docker.createContainer({
        Image: IMAGE,
        Cmd: ['sleep', '3600'],
        HostConfig: { NetworkMode: network, Init: true },
        Labels: { 'openexec.bench': 'plain' },
      })
      plain.add(container)
      await container.start()
      return container
    },
    async close() {
      await sandboxes.close()
      await Promise.allSettled([...plain].map((one) => one.remove({ force: true, v: true })))
      await rm(slot, { recursive: true, force: true })
    },
  }
}

async function makeSlot() {
  const slot = await realpath(await mkdtemp(join(tmpdir(), 'openexec-bench-')))
  const tree = join(slot, 'tree')
  await mkdir(tree)
  const uid = process.getuid?.() ?? UID
  if (uid !== 0) return { slot, tree, user: { uid, gid: process.getgid?.() ?? UID } }
  await chown(tree, UID, UID)
  return { slot, tree, user: { uid: UID, gid: UID } }
}
