/**
 * Finds the engine and connects to it. It never starts, installs or changes one: that is for
 * set-up and for people. Every question to the engine has a limit, so an address behind which
 * nobody answers costs seconds, not for ever.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import { engineGet } from './engine-get.ts'
import { engineAddresses, type EngineAddress, type Environment } from './engine-addresses.ts'

type EngineKind = 'docker' | 'desktop' | 'podman'

export interface Engine {
  docker: Docker
  endpoint: string
  /** Who named the endpoint. */
  source: string
  kind: EngineKind
  /** The engine runs without root: some limits may silently not hold. */
  rootless: boolean
  version: string
  /** The version spoken, never above the one this program knows. */
  apiVersion: string
  /** The engine's processor in Node's words. */
  arch: 'x64' | 'arm64' | 'other'
  cgroupVersion: 1 | 2
  /** As the engine reports them, e.g. `name=seccomp,profile=default`. */
  securityOptions: readonly string[]
}

const CONNECT_TIMEOUT_MS = 5_000
const API_MIN = 41
const API_KNOWN = 47

const Version = z.object({
  Version: z.string(),
  ApiVersion: z.string().regex(/^1\.\d+$/),
  Components: z.array(z.object({ Name: z.string() })).nullish(),
})

const Info = z.object({
  OperatingSystem: z.string().nullish(),
  Architecture: z.string().nullish(),
  CgroupVersion: z.string().nullish(),
  SecurityOptions: z.array(z.string()).nullish(),
})

/**
 * Connects to the first engine that answers: the one the environment names, else the usual sockets.
 * Throws `engine_unavailable` with everything that was tried, or `engine_too_old`.
 */
export async function findEngine(env: Environment, signal?: AbortSignal): Promise<Engine> {
  const failures: OpenExecError[] = []
  for (const address of engineAddresses(env)) {
    try {
      return await connectEngine(address, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof OpenExecError)) throw error
      failures.push(error)
    }
  }
  throw noEngine(failures)
}

/**
 * Connects to one address and learns what is behind it. Throws `engine_unavailable` when nothing
 * answers within 5 s, `engine_too_old` below API 1.41, `config_invalid` for an unknown scheme.
 */
export async function connectEngine(address: EngineAddress, signal?: AbortSignal): Promise<Engine> {
  const options = clientOptions(address)
  // Loaded when an engine is really asked for: most commands never do.
  const { default: Client } = await import('dockerode')
  const probe = new Client(options)
  const limits = { timeoutMs: CONNECT_TIMEOUT_MS, signal }
  try {
    const [versionAnswer, infoAnswer] = await Promise.all([
      engineGet(probe, '/version', limits),
      engineGet(probe, '/info', limits),
    ])
    const version = Version.parse(versionAnswer)
    const info = Info.parse(infoAnswer)
    const minor = Number(version.ApiVersion.slice(2))
    if (minor < API_MIN) throw tooOld(address, version)
    const apiVersion = `1.${Math.min(minor, API_KNOWN)}`
    return {
      docker: new Client({ ...options, version: `v${apiVersion}` }),
      endpoint: address.endpoint,
      source: address.source,
      kind: kindOf(version, info),
      rootless: (info.SecurityOptions ?? []).some((option) => option.startsWith('name=rootless')),
      version: version.Version,
      apiVersion,
      arch: archOf(info.Architecture),
      cgroupVersion: info.CgroupVersion === '2' ? 2 : 1,
      securityOptions: info.SecurityOptions ?? [],
    }
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    signal?.throwIfAborted()
    throw unreachable(address, cause)
  }
}

/**
 * Every field is given, even as `undefined`: the client library fills missing ones from the
 * process environment, and an address would then be mixed with another's host or certificates.
 */
function clientOptions({ endpoint, source, tlsFolder }: EngineAddress): Docker.DockerOptions {
  const none = {
    socketPath: undefined,
    host: undefined,
    port: undefined,
    protocol: undefined,
    timeout: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
  }
  if (endpoint.startsWith('unix://'))
    return { ...none, socketPath: endpoint.slice('unix://'.length) }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined || !['tcp:', 'http:', 'https:'].includes(url.protocol) || !url.hostname) {
    throw new OpenExecError(
      'config_invalid',
      `Cannot use engine address "${endpoint}" from ${source}: the scheme is not one of unix, tcp, http, https`,
      {
        hint: 'For an engine reached by SSH, forward its socket with `ssh -L` and name the forwarded one',
      },
    )
  }
  const secure = tlsFolder !== undefined || url.protocol === 'https:'
  return {
    ...none,
    host: url.hostname,
    port: url.port || (secure ? 2376 : 2375),
    protocol: secure ? 'https' : 'http',
    ...(tlsFolder === undefined ? {} : tlsFiles(tlsFolder)),
  }
}

function tlsFiles(folder: string): Pick<Docker.DockerOptions, 'ca' | 'cert' | 'key'> {
  try {
    const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) =>
      readFileSync(join(folder, name)),
    )
    return { ca, cert, key }
  } catch (cause) {
    throw new OpenExecError(
      'config_invalid',
      `Cannot read the engine's TLS files in "${folder}": ca.pem, cert.pem and key.pem are needed`,
      { hint: 'Set DOCKER_CERT_PATH to the folder that holds them', cause },
    )
  }
}

function kindOf(version: z.infer<typeof Version>, info: z.infer<typeof Info>): EngineKind {
  if (version.Components?.some(({ Name }) => Name.startsWith('Podman'))) return 'podman'
  return info.OperatingSystem?.startsWith('Docker Desktop') ? 'desktop' : 'docker'
}

function archOf(architecture: string | null | undefined): Engine['arch'] {
  if (architecture === 'x86_64' || architecture === 'amd64') return 'x64'
  return architecture === 'aarch64' || architecture === 'arm64' ? 'arm64' : 'other'
}

function tooOld({ endpoint }: EngineAddress, version: z.infer<typeof Version>): OpenExecError {
  return new OpenExecError(
    'engine_too_old',
    `Cannot use the engine at "${endpoint}": version ${version.Version} speaks API ${version.ApiVersion}, at least 1.${API_MIN} is needed`,
    { hint: 'Install Docker Engine 20.10 or newer, or Podman 4 or newer' },
  )
}

function unreachable(address: EngineAddress, cause: unknown): OpenExecError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
  const problem = isTimeout(cause)
    ? `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`
    : ((code && PROBLEMS[code]) ?? (cause instanceof Error ? cause.message : String(cause)))
  return new OpenExecError(
    'engine_unavailable',
    `Cannot reach an engine at "${address.endpoint}" (${address.source}): ${problem}`,
    {
      hint: (code && REMEDIES[code]) ?? 'Start the engine, or name another one with DOCKER_HOST',
      details: { endpoint: address.endpoint, source: address.source, problem },
      cause,
    },
  )
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === 'TimeoutError'
}

const PROBLEMS: Record<string, string> = {
  ENOENT: 'no such socket',
  EACCES: 'permission denied',
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'the host name does not exist',
}

const REMEDIES: Record<string, string> = {
  EACCES:
    'Run `sudo usermod -aG docker "$USER"` and log in again, or name a rootless engine with DOCKER_HOST',
}

/** One error for all that was tried; a refusal says more than a socket that is not there. */
function noEngine(failures: readonly OpenExecError[]): OpenExecError {
  const telling =
    failures.find(({ code }) => code !== 'engine_unavailable') ?? failures.find(isPresent)
  const [only] = failures
  if (telling !== undefined) return telling
  if (failures.length === 1 && only !== undefined) return only
  return new OpenExecError(
    'engine_unavailable',
    'Cannot find a Docker engine: none of the usual sockets exists, and DOCKER_HOST is not set',
    {
      hint: 'Install and start Docker (or Podman with its API socket), or name an engine with DOCKER_HOST',
      details: { tried: failures.map(({ details }) => details) },
      cause: new AggregateError(failures),
    },
  )
}

function isPresent({ details }: OpenExecError): boolean {
  return details?.['problem'] !== PROBLEMS['ENOENT']
}
