/**
 * What a request that came over the network means on this machine. Its documents are kept below the
 * state directory; paths are only taken from whoever operates the server, or below the directories
 * that were opened for all.
 */
import { existsSync, realpathSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import {
  type CreateRun,
  type Document,
  OpenExecError,
  parseRepoUrl,
  RunRequest,
} from '../schema/index.ts'
import { storeDocument } from './documents.ts'
import { type Caller, isOperator } from './tokens.ts'
import type { Uploads } from './uploads.ts'

export interface RequestPlaces {
  /** The state directory. */
  root: string
  /** Directories whose repositories every tenant may use; real paths. */
  openRoots: readonly string[]
  uploads: Pick<Uploads, 'rootOf'>
}

/** Throws `forbidden` for a path the caller may not name, `bad_request` for what has no sense here. */
export function requestOfBody(
  places: RequestPlaces,
  body: CreateRun | RunRequest,
  caller: Caller,
): RunRequest {
  // The shape of a program in the same process; both have all other keys in common.
  if (typeof body.repo === 'string')
    throw new OpenExecError(
      'bad_request',
      'Cannot read "repo" of the body: expected an object with "path" or "url"',
      { details: { field: 'repo' } },
    )
  const {
    repo,
    blueprint,
    command,
    task = '',
    inputs = {},
    policy,
    model_script,
    timeout,
    accept_degraded = false,
    priority: _priority,
    ttl: _ttl,
    ...rest
  } = body as CreateRun
  const { root } = places
  const kept = (document: Document | undefined, fallback: string) =>
    document === undefined ? undefined : storeDocument(root, document, fallback)
  return RunRequest.parse({
    ...rest,
    ...repositoryOf(places, repo, caller),
    blueprint:
      typeof blueprint === 'object'
        ? kept(blueprint, 'blueprint.yaml')
        : nameOf(blueprint, command),
    command,
    task,
    inputs,
    policyFile: kept(policyDocument(policy), 'policy.yaml'),
    modelScript: kept(model_script, 'model-script.yaml'),
    timeoutMs: timeout,
    acceptDegraded: accept_degraded,
    interactive: false,
    // What lies on this machine is the operator's to name, in its configuration.
    declaredSecretsOnly: true,
  })
}

function repositoryOf(
  { openRoots, uploads }: RequestPlaces,
  repo: CreateRun['repo'],
  caller: Caller,
): Pick<RunRequest, 'repo' | 'ref' | 'includeDirty' | 'origin'> {
  if ('source' in repo) {
    const { commit, anchor = commit } = repo
    const origin = { kind: 'upload', anchor, dirty: anchor !== commit } as const
    return {
      repo: uploads.rootOf(caller.tenant, repo),
      ref: commit,
      includeDirty: false,
      origin,
    }
  }
  const { ref } = repo
  return {
    repo: 'path' in repo ? checkedPath(openRoots, repo.path, caller) : parseRepoUrl(repo.url).text,
    ...(ref !== undefined && { ref }),
    includeDirty: ('path' in repo && repo.include_dirty) || false,
  }
}

/** A name never means a file of the server. */
function nameOf(blueprint: string | undefined, command: unknown): string | undefined {
  if (blueprint === undefined) return command === undefined ? undefined : 'command'
  if (!/[/\\]|\.ya?ml$/.test(blueprint)) return blueprint
  throw new OpenExecError(
    'bad_request',
    'Cannot read "blueprint" of the body: expected the name of a shipped blueprint',
    {
      hint: 'Send one of your own as {"file": NAME, "text": YAML}',
      details: { field: 'blueprint' },
    },
  )
}

function policyDocument(policy: CreateRun['policy']): Document | undefined {
  if (policy === undefined) return undefined
  if (typeof policy === 'string') return { file: 'policy.yaml', text: policy }
  const { file, text } = policy
  if (typeof file === 'string' && typeof text === 'string') return { file, text }
  // JSON is YAML too.
  return { file: 'policy.yaml', text: JSON.stringify(policy, undefined, 1) }
}

function checkedPath(openRoots: readonly string[], path: string, caller: Caller): string {
  if (!isAbsolute(path) || path.includes('\0'))
    throw new OpenExecError('bad_request', 'Cannot read "repo.path": expected an absolute path', {
      details: { field: 'repo.path' },
    })
  if (isOperator(caller)) return path
  const real = realOf(path)
  const isOpen = openRoots.some((open) => {
    const inside = relative(open, real ?? join('/', 'nowhere'))
    return real !== undefined && !inside.startsWith('..') && !isAbsolute(inside)
  })
  // A directory that is no repository itself would mean the one around it.
  if (isOpen && real !== undefined && existsSync(join(real, '.git'))) return real
  throw new OpenExecError(
    'forbidden',
    `Cannot use repository "${path}": it is not opened to tenants`,
    {
      hint: 'Start the server with --repos DIR to open what lies below a directory',
      details: { field: 'repo.path' },
    },
  )
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
