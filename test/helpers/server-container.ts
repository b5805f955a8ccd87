/** The server of `compose.yaml` with its very settings, started by testcontainers. */
import { chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import type { HostConfig } from 'dockerode'
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers'
import { parse } from 'yaml'
import { z } from 'zod'
import { ensureProgram } from '../../scripts/setup/program.ts'
import { ensureServerImage } from '../../scripts/setup/server-image.ts'
import { testEngine } from './docker.ts'

const COMPOSE = new URL('../../compose.yaml', import.meta.url)
const LABELS = { 'openexec.test': 'server-container' }

const Service = z.strictObject({
  image: z.string(),
  command: z.array(z.coerce.string()),
  user: z.string(),
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.array(z.string()),
  init: z.literal(true),
  tmpfs: z.array(z.string()),
  volumes: z.array(
    z.strictObject({ type: z.literal('bind'), source: z.string(), target: z.string() }),
  ),
  ports: z.array(z.string()),
  mem_limit: z.literal('1g').transform(() => 1024 ** 3),
  pids_limit: z.number(),
  stop_grace_period: z.string(),
  restart: z.string(),
  logging: z.unknown(),
})
type Service = z.infer<typeof Service>

/** As compose fills `${NAME:-default}` in. */
export function composeService(env: Readonly<Record<string, string>>): Service {
  const text = readFileSync(COMPOSE, 'utf8').replaceAll(
    /\$\{(\w+):-([^}]*)\}/g,
    (_, name: string, fallback: string) => env[name] ?? fallback,
  )
  return z.object({ services: z.object({ server: Service }) }).parse(parse(text)).services.server
}

/** A user that is not root, and the group that may speak to the engine. */
export function serverUser(): { uid: number; socket: string; socketGroup: number } {
  const socket = process.env['DOCKER_HOST']?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock'
  const own = process.getuid?.() ?? 0
  return { uid: own === 0 ? 10_001 : own, socket, socketGroup: lstatSync(socket).gid }
}

/** A directory that belongs to that user. */
export function ownedDirectory(path: string, { uid }: { uid: number }): string {
  mkdirSync(path, { mode: 0o700 })
  if (process.getuid?.() === 0) chownSync(path, uid, uid)
  return path
}

class ComposedContainer extends GenericContainer {
  constructor(service: Service, extra: readonly string[]) {
    super(service.image)
    const binds = service.volumes.map(({ source, target }) => `${source}:${target}`)
    const host: HostConfig = {
      ReadonlyRootfs: service.read_only,
      CapDrop: service.cap_drop,
      SecurityOpt: service.security_opt,
      Init: service.init,
      Tmpfs: Object.fromEntries(service.tmpfs.map(tmpfsOf)),
      Memory: service.mem_limit,
      PidsLimit: service.pids_limit,
      Binds: [...binds, ...extra.map((path) => `${path}:${path}`)],
    }
    this.hostConfig = { ...this.hostConfig, ...host }
  }
}

function tmpfsOf(text: string): [string, string] {
  const at = text.indexOf(':')
  return [text.slice(0, at), text.slice(at + 1)]
}

/** `repositories` are mounted besides, at the same path. */
export async function startServerContainer(
  service: Service,
  repositories: readonly string[],
): Promise<StartedTestContainer> {
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
  await ensureProgram(() => {})
  await ensureServerImage(testEngine(), { say: () => {} })
  return await new ComposedContainer(service, repositories)
    .withUser(service.user)
    .withCommand(service.command)
    .withLabels(LABELS)
    .withExposedPorts(7333)
    .withWaitStrategy(Wait.forHealthCheck())
    .withStartupTimeout(60_000)
    .start()
}
