/**
 * Where attempts are made: one sandbox, the containers that are the controls, and on the host what
 * attempts look for: listeners that say a word, a marker in a file and in shared memory.
 */
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import type { Engine } from '../../src/sandbox/connect.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import type { Confinement } from '../../src/schema/index.ts'
import {
  plainContainer,
  type PlainContainer,
  removePlainContainers,
} from '../helpers/plain-container.ts'
import {
  containerOf,
  type Ran,
  run,
  type SandboxBench,
  testConfinement,
} from '../helpers/sandbox.ts'
import type { Attempt, Control } from './attempt.ts'

export interface Arena {
  sandbox: Sandbox
  /** Its container. */
  container: string
  controls: Record<Control, PlainContainer>
  /** What each attempt said where nothing prevents it. */
  free: ReadonlyMap<Attempt, string>
  /** The attempt in the sandbox. */
  confined(attempt: Attempt): Promise<Ran>
  close(): Promise<void>
}

const MIB = 1024 ** 2
const NEXT = '-- next --'
const ATTEMPT_TIMEOUT_MS = 15_000
export const KIT: URL = new URL('../fixtures/programs/escape-kit.c', import.meta.url)

/** Small, so that going beyond a limit takes no time. */
function smallConfinement(): Confinement {
  const confinement = testConfinement('workspace_write', { memory: 128 * MIB, pids: 64 })
  return {
    ...confinement,
    shm: 8 * MIB,
    ulimits: [
      { name: 'nofile', soft: 256, hard: 256 },
      { name: 'fsize', soft: 4 * MIB, hard: 4 * MIB },
      { name: 'core', soft: 0, hard: 0 },
      { name: 'memlock', soft: 65_536, hard: 65_536 },
    ],
    tmpfs: confinement.tmpfs.map((mount) =>
      mount.target === '/tmp' ? { ...mount, size: 8 * MIB, inodes: 100 } : mount,
    ),
  }
}

/** All attempts are made in the controls at once; in the sandbox each is made when it is asked for. */
export async function openArena(
  { bench, engine, instance }: { bench: SandboxBench; engine: Engine; instance: string },
  corpus: readonly Attempt[],
): Promise<Arena> {
  const slot = bench.slot(smallConfinement())
  const host = await openHost(dirname(slot.tree))
  const tree = `${slot.tree}:/workspace`
  const careless = { careless: true, binds: [tree, ...host.binds] }
  const [sandbox, plain, user, careful, shared] = await Promise.all([
    bench.sandboxes.open(slot.spec, { signal: new AbortController().signal }),
    plainContainer(engine, instance, { binds: [tree] }),
    plainContainer(engine, instance, { user: '1000:1000', binds: [tree] }),
    plainContainer(engine, instance, careless),
    plainContainer(engine, instance, { ...careless, hostNamespaces: true }),
  ])
  copyFileSync(KIT, join(slot.tree, 'kit.c'))
  const build = await run(sandbox, 'gcc -O1 -static -o kit kit.c || gcc -O1 -o kit kit.c')
  if (build.exitCode !== 0) throw new Error(`Cannot build the kit: ${build.stderr}`)
  await plain.run(
    'for p in set-uid set-gid; do cp /usr/bin/id /workspace/$p; chown 0:0 /workspace/$p; done; ' +
      'chmod 4755 /workspace/set-uid; chmod 2755 /workspace/set-gid; ' +
      'cp /workspace/kit /workspace/capable && /workspace/kit give-capability /workspace/capable',
  )
  const words = { ...host.words, ...(await neighbours(engine, plain, user)) }
  const prelude = exported(words)
  const controls = { plain, user, careless: careful, host: shared }
  return {
    sandbox,
    container: await containerOf(engine, sandbox.id),
    controls,
    free: await attemptFreely(corpus, { controls, prelude, tree: slot.tree }),
    confined: ({ script }) =>
      run(sandbox, `${prelude}; ${script}`, { timeoutMs: ATTEMPT_TIMEOUT_MS }),
    close: async () => {
      host.close()
      await removePlainContainers(engine, instance)
    },
  }
}

/** As the first line of a shell text. */
export function exported(words: Readonly<Record<string, string>>): string {
  return Object.entries(words)
    .map(([name, value]) => `export ${name}='${value}'`)
    .join('; ')
}

interface Free {
  controls: Record<Control, PlainContainer>
  prelude: string
  tree: string
}

/** One program for each control: starting one for each attempt costs more than the attempt. */
async function attemptFreely(
  corpus: readonly Attempt[],
  { controls, prelude, tree }: Free,
): Promise<Map<Attempt, string>> {
  const all = await Promise.all(
    Object.entries(controls).map(async ([name, container]) => {
      const own = corpus.filter(({ control }) => control === name)
      const lines = own.map(
        ({ script }) => `(\n${script}\n) </dev/null 2>/dev/null\necho '${NEXT}'`,
      )
      writeFileSync(join(tree, `${name}.sh`), [prelude, ...lines].join('\n'))
      const said = (await container.run(`sh /workspace/${name}.sh`)).stdout.split(NEXT)
      return own.map((attempt, i): [Attempt, string] => [attempt, said[i] ?? ''])
    }),
  )
  return new Map(all.flat())
}

/** Addresses as only a container on a bridge knows them. */
async function neighbours(engine: Engine, plain: PlainContainer, user: PlainContainer) {
  const route = await plain.run('awk \'$2 == "00000000" {print $3}\' /proc/net/route')
  const bytes = route.stdout.trim().match(/../g) ?? []
  const { NetworkSettings } = await engine.docker.getContainer(user.id).inspect()
  return {
    GATEWAY: bytes
      .map((byte) => Number.parseInt(byte, 16))
      .reverse()
      .join('.'),
    NEIGHBOUR: NetworkSettings.Networks['bridge']?.IPAddress ?? '',
  }
}

export interface Host {
  binds: string[]
  words: Record<string, string>
  close(): void
}

/** What attempts look for on the host, and the words by which they find it. */
export async function openHost(directory: string): Promise<Host> {
  const marker = `openexec-marker-${process.pid}-${Date.now()}`
  const file = join(directory, 'marker')
  const memory = join('/dev/shm', marker)
  for (const path of [file, memory]) writeFileSync(path, marker)
  const everywhere = await listen((server) => server.listen(0, '0.0.0.0'))
  const loopback = await listen((server) => server.listen(0, '127.0.0.1'))
  const abstract = await listen((server) => server.listen(`\0${marker}`))
  const datagrams = createSocket('udp4').bind(0, '0.0.0.0')
  await once(datagrams, 'listening')
  const disk = attachDisk(join(directory, 'disk'))
  return {
    binds: ['/var/run/docker.sock:/var/run/docker.sock', `${file}:/host-marker:ro`],
    words: {
      MARKER: marker,
      MARKER_FILE: file,
      TCP: String(portOf(everywhere)),
      LOOPBACK: String(portOf(loopback)),
      UDP: String(datagrams.address().port),
      HOST_ADDRESS: ownAddress(),
      DISK: disk.device,
      DISK_NUMBERS: disk.numbers,
      HOST_PID: String(process.pid),
      HOST_COMM: readFileSync('/proc/self/comm', 'utf8').trim(),
    },
    close: () => {
      for (const server of [everywhere, loopback, abstract]) server.close()
      datagrams.close()
      disk.detach()
      rmSync(memory, { force: true })
    },
  }
}

/** A disk of the host that may be read by whoever reaches it; none where this user may not make one. */
function attachDisk(file: string): { device: string; numbers: string; detach(): void } {
  writeFileSync(file, Buffer.alloc(MIB, 'x'))
  const losetup = (...words: string[]) => spawnSync('losetup', words, { encoding: 'utf8' })
  const { status, stdout } = losetup('--find', '--show', '--read-only', file)
  const device = status === 0 ? stdout.trim() : ''
  if (device === '') return { device, numbers: '', detach: () => {} }
  const { rdev } = statSync(device)
  const numbers = `${(rdev >> 8) & 0xfff} ${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`
  return { device, numbers, detach: () => void losetup('--detach', device) }
}

/** Says its word to whoever comes. */
async function listen(bind: (server: Server) => void): Promise<Server> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {}).end('reached\n')
  })
  bind(server)
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}
