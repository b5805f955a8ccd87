/**
 * `git:` of the operator's own configuration: which hosts beyond the public ones may be fetched from, and
 * with whose credentials. A file of the machine, never of a repository or a tenant.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { OpenExecError, parseYaml, type RepoUrl, Tenant, YAML_BYTES_MAX } from '../schema/index.ts'
import type { FetchCredential } from '../workspace/index.ts'

const HostName = z
  .string()
  .regex(
    /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/,
    'Expected HOST or HOST:PORT',
  )
const Path = z.string().max(4096).refine(isAbsolute, 'Expected an absolute path')

const Credential = z.strictObject({
  host: HostName,
  /** Who may use it: the operator's own tenant unless others are named. */
  tenants: z.array(Tenant).min(1).default(['default']),
  user: z.string().min(1).max(200).optional(),
  /** Name of an environment variable that holds a token. */
  env: z
    .string()
    .regex(/^OPENEXEC_GIT_[A-Z0-9_]{1,64}$/, 'Expected a name such as OPENEXEC_GIT_TOKEN')
    .optional(),
  /** File that holds a token. */
  file: Path.optional(),
  ssh_key: Path.optional(),
  /** Socket of an agent that holds keys. */
  ssh_agent: Path.optional(),
  known_hosts: Path.optional(),
})

const GitSettings = z.strictObject({
  /** Hosts that may have private addresses, or be reached at another port. */
  hosts: z.array(HostName).max(1000).default([]),
  credentials: z.array(Credential).max(1000).default([]),
})
export type GitSettings = z.infer<typeof GitSettings>

const OperatorConfig = z.looseObject({ git: GitSettings.prefault({}) })

export interface SettingsPlace {
  path: string
  named: boolean
}

/** Throws `config_invalid` with every finding as `file:line:column`. */
export function readGitSettings({ path, named }: SettingsPlace): GitSettings {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined && !named) return { hosts: [], credentials: [] }
  try {
    if (stat !== undefined && stat.size > YAML_BYTES_MAX) throw new RangeError('It is too large')
    const text = readFileSync(path, 'utf8')
    return parseYaml({ file: path, text }, OperatorConfig, 'config_invalid').value.git
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    throw new OpenExecError('config_invalid', `Cannot read configuration "${path}"`, { cause })
  }
}

/** Whether the operator named the host, with just this port or with none where it is the usual one. */
export function isNamedHost({ hosts }: GitSettings, url: RepoUrl): boolean {
  return hosts.some((host) => means(host, url))
}

/** `undefined` for a host without one that the tenant may use. Throws `config_invalid`. */
export function credentialFor(
  { credentials }: GitSettings,
  {
    url,
    tenant,
    tokens,
  }: { url: RepoUrl; tenant: Tenant; tokens: Readonly<Record<string, string>> },
): FetchCredential | undefined {
  const mine = credentials.filter(
    ({ host, tenants }) => means(host, url) && tenants.includes(tenant),
  )
  if (url.scheme === 'ssh') {
    const found = mine.find(({ ssh_key: key, ssh_agent: agent }) => (key ?? agent) !== undefined)
    if (found === undefined) return undefined
    const { ssh_key: key, ssh_agent: agent, known_hosts: knownHosts } = found
    if (knownHosts === undefined)
      throw wrong(found.host, 'it has no known_hosts', 'Name the file with the key of the host')
    for (const file of [key, knownHosts])
      if (file !== undefined && !existsSync(file))
        throw wrong(found.host, `there is no file "${file}"`, 'Correct the path')
    return { kind: 'ssh', key, agent, knownHosts }
  }
  const found = mine.find(({ env, file }) => (env ?? file) !== undefined)
  if (found === undefined) return undefined
  const { env, file, user = 'x-access-token' } = found
  const token = env === undefined ? tokenIn(found.host, file ?? '') : tokens[env]
  if (token === undefined)
    throw wrong(found.host, `${env} is not set`, 'Set it where the server is started')
  return { kind: 'https', user, token }
}

function means(host: string, { host: name, port, scheme }: RepoUrl): boolean {
  const shown = name.includes(':') ? `[${name}]` : name
  const usual = port === (scheme === 'https' ? 443 : 22)
  return host === `${shown}:${port}` || (usual && host === shown)
}

const TOKEN_BYTES_MAX = 16 * 1024

function tokenIn(host: string, file: string): string {
  try {
    const { size } = statSync(file)
    if (size > TOKEN_BYTES_MAX) throw new RangeError('It is too large')
    const token = readFileSync(file, 'utf8').trim()
    if (/^[\x21-\x7e]+$/.test(token)) return token
  } catch (cause) {
    throw wrong(host, `its file "${file}" cannot be read`, 'Check the path and its rights', cause)
  }
  throw wrong(host, `its file "${file}" holds no token`, 'Write the token and nothing else into it')
}

function wrong(host: string, why: string, hint: string, cause?: unknown): OpenExecError {
  const message = `Cannot use the credentials for "${host}": ${why}`
  return new OpenExecError('config_invalid', message, { hint, cause })
}
