/**
 * Where an engine that speaks Docker's API may be: what the user named (DOCKER_HOST, a Docker
 * context), else the places where Docker, Docker Desktop, rootless Docker, Colima and Podman put
 * their sockets. Reads the environment it is given and files; connects to nothing.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface EngineAddress {
  /** `unix:///path`, `tcp://host:port` or `https://host:port` */
  endpoint: string
  /** Who said so, for messages: `DOCKER_HOST`, `context "name"`, `default socket`. */
  source: string
  /** Folder with ca.pem, cert.pem and key.pem, for engines behind TLS. */
  tlsFolder: string | undefined
}

const DockerConfig = z.object({ currentContext: z.string().optional() })
const ContextMeta = z.object({
  Endpoints: z.object({ docker: z.object({ Host: z.string().optional() }).optional() }),
})

/**
 * Addresses to try in order. A user's own choice is the only one: an engine that was not named is
 * never used in its place. Throws `config_invalid` for a context that does not exist.
 */
export function engineAddresses(env: Environment): EngineAddress[] {
  const configFolder = env['DOCKER_CONFIG'] || join(homeOf(env), '.docker')
  const host = env['DOCKER_HOST']
  if (host)
    return [{ endpoint: host, source: 'DOCKER_HOST', tlsFolder: tlsFolder(env, configFolder) }]
  const context = env['DOCKER_CONTEXT'] || currentContext(configFolder)
  if (context && context !== 'default') return [contextAddress(configFolder, context)]
  return defaultSockets(env).map((path) => ({
    endpoint: `unix://${path}`,
    source: 'default socket',
    tlsFolder: undefined,
  }))
}

/** As Docker's own client: without DOCKER_TLS_VERIFY a tcp address is plain HTTP. */
function tlsFolder(env: Environment, configFolder: string): string | undefined {
  return env['DOCKER_TLS_VERIFY'] ? env['DOCKER_CERT_PATH'] || configFolder : undefined
}

function currentContext(configFolder: string): string | undefined {
  const file = join(configFolder, 'config.json')
  if (!existsSync(file)) return undefined
  return parseFile(DockerConfig, file, `Docker's settings "${file}"`).currentContext
}

function contextAddress(configFolder: string, context: string): EngineAddress {
  const folder = createHash('sha256').update(context).digest('hex')
  const file = join(configFolder, 'contexts/meta', folder, 'meta.json')
  const endpoint = existsSync(file)
    ? parseFile(ContextMeta, file, `Docker context "${context}"`).Endpoints.docker?.Host
    : undefined
  if (!endpoint) {
    throw new OpenExecError(
      'config_invalid',
      `Cannot use Docker context "${context}": "${file}" names no engine`,
      { hint: 'Choose another with `docker context use NAME`, or set DOCKER_HOST' },
    )
  }
  const tls = join(configFolder, 'contexts/tls', folder, 'docker')
  return {
    endpoint,
    source: `context "${context}"`,
    tlsFolder: existsSync(tls) ? tls : undefined,
  }
}

function parseFile<T>(schema: z.ZodType<T>, file: string, what: string): T {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new OpenExecError('config_invalid', `Cannot read ${what}: not the expected JSON`, {
      hint: `Correct or remove "${file}", or set DOCKER_HOST`,
      cause,
    })
  }
}

function defaultSockets(env: Environment): string[] {
  const home = homeOf(env)
  const runtimeDir = env['XDG_RUNTIME_DIR']
  return [
    '/var/run/docker.sock',
    ...(runtimeDir ? [join(runtimeDir, 'docker.sock')] : []),
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
    join(home, '.colima/default/docker.sock'),
    ...(runtimeDir ? [join(runtimeDir, 'podman/podman.sock')] : []),
    '/run/podman/podman.sock',
    join(home, '.local/share/containers/podman/machine/podman.sock'),
  ]
}

function homeOf(env: Environment): string {
  return env['HOME'] || homedir()
}
