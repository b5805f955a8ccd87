/**
 * Brings the repository of a run here when it is named by its address. Whoever asks may be a stranger,
 * so the host is resolved once, each of its addresses is judged as those of a sandbox's requests are, and
 * git is told the very address that passed.
 */
import { isIP } from 'node:net'
import {
  looksLikeUrl,
  OpenExecError,
  parseRepoUrl,
  type RepoUrl,
  type RunRequest,
  type Tenant,
} from '../schema/index.ts'
import type { Internet } from '../sandbox/index.ts'
import type { Workspaces } from '../workspace/index.ts'
import { atMost } from './at-most.ts'
import { credentialFor, type GitSettings, isNamedHost } from './git-settings.ts'
import { refuseTooMuch } from './uploads.ts'

/** A request whose repository is on this machine; others pass as they are. */
export type BringSource = (
  tenant: Tenant,
  request: RunRequest,
  signal: AbortSignal,
) => Promise<RunRequest>

export interface BringDeps {
  workspaces: Pick<Workspaces, 'fetchSource' | 'keptBytes'>
  internet: Pick<Internet, 'resolve' | 'classify'>
  /** Read for each fetch, so that a change counts without a restart. */
  settings(): GitSettings
  tokens: Readonly<Record<string, string>>
  /** File of the authorities of this site. */
  authorities: string | undefined
}

/** Fetches of one tenant at once: a slow server holds up its own tenant only. */
const FETCHES_OF_TENANT = 2
const TENANTS_MAX = 10_000
const RESOLVE_MS = 10_000

/**
 * Throws `forbidden` for an address nobody may reach, `bad_request` for one that is none, and what
 * fetching throws.
 */
export function createBringSource(deps: BringDeps): BringSource {
  const turns = new Map<Tenant, ReturnType<typeof atMost>>()
  const turnOf = (tenant: Tenant) => {
    const turn = turns.get(tenant) ?? atMost(FETCHES_OF_TENANT)
    if (turns.size > TENANTS_MAX) turns.clear()
    turns.set(tenant, turn)
    return turn
  }
  return async (tenant, request, signal) => {
    const { repo, ref, includeDirty } = request
    if (!looksLikeUrl(repo)) return request
    const url = parseRepoUrl(repo)
    if (includeDirty)
      throw new OpenExecError('bad_request', 'Cannot take uncommitted changes from an address')
    return await turnOf(tenant)(async () => {
      refuseTooMuch(deps.workspaces.keptBytes(tenant))
      const settings = deps.settings()
      const address = await addressOf(deps, { url, named: isNamedHost(settings, url) }, signal)
      const { tokens, authorities } = deps
      const credential = credentialFor(settings, { url, tenant, tokens })
      const way = { url, address, credential, authorities }
      const { root, commit, bytes } = await deps.workspaces.fetchSource({
        ...way,
        tenant,
        ref,
        signal,
      })
      const origin = {
        kind: 'url',
        url: url.text,
        bytes,
        ...(ref !== undefined && { ref }),
      } as const
      return { ...request, repo: root, ref: commit, origin }
    })
  }
}

/** What an operator may open by naming the host; links, metadata and the like stay closed. */
const OPENED_BY_NAME: ReadonlySet<string> = new Set(['loopback', 'own'])
const USUAL_PORTS = { https: 443, ssh: 22 } as const

async function addressOf(
  { internet }: BringDeps,
  { url, named }: { url: RepoUrl; named: boolean },
  signal: AbortSignal,
): Promise<string> {
  const { host, port, scheme } = url
  if (port !== USUAL_PORTS[scheme] && !named)
    throw refused(url, `port ${port} is not for everybody`, `${host}:${port}`)
  const addresses = await resolved(internet, url, signal)
  const may = addresses.find((address) => {
    const verdict = internet.classify(address)
    if (verdict.kind === 'global') return true
    return named && (verdict.kind === 'nameable' || OPENED_BY_NAME.has(verdict.range))
  })
  if (may !== undefined) return may
  const [first] = addresses
  const verdict = first === undefined ? undefined : internet.classify(first)
  const range = verdict === undefined || verdict.kind === 'global' ? 'none' : verdict.range
  throw refused(url, `its address is not for everybody (${range})`, host)
}

async function resolved(
  internet: BringDeps['internet'],
  { host, text }: RepoUrl,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const limit = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_MS)])
  try {
    const answers = await internet.resolve(host, limit)
    return answers.filter((answer) => isIP(answer) !== 0)
  } catch (cause) {
    signal.throwIfAborted()
    throw new OpenExecError(
      'repository_invalid',
      `Cannot fetch "${text}": its host has no address`,
      {
        hint: 'Check the name of the host',
        details: { field: 'repo.url' },
        cause,
      },
    )
  }
}

function refused({ text }: RepoUrl, why: string, name: string): OpenExecError {
  return new OpenExecError('forbidden', `Cannot fetch "${text}": ${why}`, {
    hint: `If it is meant, the operator names "${name}" under git.hosts of the configuration`,
    details: { field: 'repo.url' },
  })
}
