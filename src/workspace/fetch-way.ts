/**
 * How git reaches one address and no other: which protocol it may speak, to which address of the host,
 * with whose credentials. All of it goes by environment, because everybody may read an argument list.
 */
import type { RepoUrl } from '../schema/index.ts'
import { withSettings } from './git-environment.ts'

export type FetchCredential =
  | { kind: 'https'; user: string; token: string }
  | { kind: 'ssh'; key: string | undefined; agent: string | undefined; knownHosts: string }

export interface FetchTarget {
  url: RepoUrl
  /** The address of its host that was checked. */
  address: string
  credential: FetchCredential | undefined
  /** File of the authorities of this site; the system's own when undefined. */
  authorities: string | undefined
}

/** Old habits of other programs that harm nobody: well-known histories hold them. */
export const TOLERATED = [
  'zeroPaddedFilemode',
  'badTimezone',
  'missingSpaceBeforeDate',
  'badTagName',
] as const

/** Added to the environment of every git: replaces the list of protocols, which else is empty. */
export function fetchEnvironment(target: FetchTarget): Record<string, string> {
  const { scheme } = target.url
  const settings: (readonly [string, string])[] = [
    // No objects one by one, and never fewer checks because there are few.
    ['fetch.unpackLimit', '1'],
    ['pack.threads', '1'],
    ['core.packedGitLimit', '512m'],
    ['core.packedGitWindowSize', '32m'],
    ...TOLERATED.map((name) => [`fetch.fsck.${name}`, 'ignore'] as const),
    ...(scheme === 'https' ? httpSettings(target) : []),
  ]
  return {
    ...withSettings(settings),
    GIT_ALLOW_PROTOCOL: scheme,
    ...(scheme === 'ssh' && { GIT_SSH_COMMAND: sshCommand(target), GIT_SSH_VARIANT: 'ssh' }),
  }
}

function httpSettings({
  url: { host, port, text },
  address,
  credential,
  authorities,
}: FetchTarget): (readonly [string, string])[] {
  const { origin } = new URL(text)
  const at = address.includes(':') ? `[${address}]` : address
  return [
    // Nobody else decides where it goes: neither the server, nor a proxy, nor the resolver again.
    // This also keeps git from the alternates that a server without a git of its own may name.
    ['http.followRedirects', 'false'],
    ['http.proxy', ''],
    ...(host === address ? [] : [['http.curloptResolve', `${host}:${port}:${at}`] as const]),
    ['http.sslVerify', 'true'],
    ['http.lowSpeedLimit', '1000'],
    ['http.lowSpeedTime', '30'],
    ...(authorities === undefined ? [] : [['http.sslCAInfo', authorities] as const]),
    ...(credential?.kind === 'https'
      ? [[`http.${origin}/.extraHeader`, `Authorization: Basic ${basic(credential)}`] as const]
      : []),
  ]
}

function basic({ user, token }: { user: string; token: string }): string {
  return Buffer.from(`${user}:${token}`).toString('base64')
}

/** Git hands it to a shell; nothing in it was chosen by whoever named the address. */
export function sshCommand({ url: { host, port }, address, credential }: FetchTarget): string {
  const own = credential?.kind === 'ssh' ? credential : undefined
  const alias = port === 22 ? host : `[${host}]:${port}`
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${own?.knownHosts ?? '/dev/null'}`,
    'GlobalKnownHostsFile=/dev/null',
    `HostKeyAlias=${alias}`,
    `HostName=${address}`,
    'CheckHostIP=no',
    'UpdateHostKeys=no',
    'CanonicalizeHostname=no',
    'VerifyHostKeyDNS=no',
    'ProxyCommand=none',
    'ProxyJump=none',
    'PermitLocalCommand=no',
    'ControlMaster=no',
    'ControlPath=none',
    'ClearAllForwardings=yes',
    'ForwardAgent=no',
    'IdentitiesOnly=yes',
    `IdentityFile=${own?.key ?? '/dev/null'}`,
    `IdentityAgent=${own?.agent ?? 'none'}`,
    'PreferredAuthentications=publickey',
    'ConnectTimeout=15',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=2',
  ]
  return ['ssh', '-F', '/dev/null', ...options.flatMap((option) => ['-o', option])]
    .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    .join(' ')
}
