/** Joins a command to the API: the embedded one in this process, over the very same routes. */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import type { Checkout } from '../local-checkout.ts'
import { looksLikeUrl, OpenExecError } from '../schema/index.ts'
import { type Client, createClient, createRemoteClient } from './client.ts'
import { keptToken, serverUrl } from './credentials.ts'
import { spawnWorker } from './spawn-worker.ts'
import type { Io } from './io.ts'
import { createLocalClient, EMBEDDED_URL, type LocalConnection } from './local-client.ts'

export interface ConnectOptions {
  io: Io
  config: Config
  /** `--state`, `--repo` as given. */
  state: string | undefined
  repo: string | undefined
  /** `nothing`: the command asks about no run, so no state directory is needed or made. */
  state_needed: 'create' | 'existing' | 'nothing'
  launch: 'here' | 'worker'
  /** Address of a server; `undefined` for this process. A state directory that is named wins. */
  server: string | undefined
}

export type { Checkout, PackFile } from '../local-checkout.ts'

export interface Connection {
  client: Client
  /** What only this machine has; `undefined` where a server was named. */
  local: LocalConnection | undefined
  /** Absolute root of the repository; undefined when the command needs none. */
  repo: string | undefined
  /** Whether a server executes what is started. */
  remote: boolean
  /** Works with a checkout of this machine, whoever executes runs; it is named by a directory in it. */
  withCheckout<T>(start: string, work: (checkout: Checkout) => Promise<T>): Promise<T>
  close(): Promise<void>
}

const STATE_DIRECTORY = '.openexec'

export async function connect(options: ConnectOptions): Promise<Connection> {
  const { io, config, server } = options
  if (server !== undefined && options.state === undefined) return await connectTo(options, server)
  const url = options.repo !== undefined && looksLikeUrl(options.repo) ? options.repo : undefined
  // A repository elsewhere has no place for state here; the one around the caller has.
  const at = url === undefined ? options : { ...options, repo: undefined }
  const here = options.state_needed === 'nothing' ? undefined : repositoryOf(at)
  const stateDir =
    options.state_needed === 'nothing'
      ? undefined
      : stateDirectory(io, options.state ?? config.stateDir, here)
  if (options.state_needed === 'existing' && stateDir !== undefined && !existsSync(stateDir))
    throw new OpenExecError('not_found', `Cannot find any run: "${stateDir}" does not exist`, {
      hint: 'Start one with `openexec run`, or name the repository with --repo',
      details: { missing: 'state_directory' },
    })
  // Help and usage errors need nothing of this; loading it is most of what a start costs.
  const { openApp } = await import('../app.ts')
  const app = openApp({
    config,
    stateDir,
    cwd: io.cwd,
    log: { info: io.err, warn: io.err },
    signal: io.signal,
    detach: options.launch === 'worker' ? (run, dir) => spawnWorker(io, run, dir) : undefined,
  })
  return {
    client: createClient(EMBEDDED_URL, interruptible(io, app.fetch)),
    local: { client: createLocalClient(interruptible(io, app.fetch)), fetch: app.fetch },
    repo: url ?? here,
    remote: false,
    withCheckout: checkoutsOf(options),
    close: () => app.close(),
  }
}

/** Nothing is opened here: the server has state, engine and repositories. */
async function connectTo(options: ConnectOptions, text: string): Promise<Connection> {
  const url = serverUrl(text)
  const token = options.config.token ?? (await keptToken(options.config, url))
  if (token === undefined)
    throw new OpenExecError('unauthenticated', `Cannot speak to "${url}" without a token`, {
      hint: 'Set OPENEXEC_TOKEN, or keep one with `openexec login`',
    })
  const needsRepo = options.state_needed !== 'nothing'
  return {
    client: createRemoteClient({ url, token }),
    local: undefined,
    repo: needsRepo ? repositoryThere(options) : undefined,
    remote: true,
    withCheckout: checkoutsOf(options),
    close: async () => {},
  }
}

function checkoutsOf({ config, io: { signal } }: ConnectOptions): Connection['withCheckout'] {
  return async (start, work) => {
    const { withCheckout } = await import('../local-checkout.ts')
    return await withCheckout({ config, start, signal }, work)
  }
}

/** A checkout as the server will see it: where it is not on this machine only the server can tell. */
function repositoryThere(options: ConnectOptions): string | undefined {
  const { io, repo } = options
  if (repo !== undefined && looksLikeUrl(repo)) return repo
  try {
    return repositoryOf({ ...options, state: io.cwd })
  } catch (error) {
    if (repo === undefined) throw error
    return resolve(io.cwd, repo)
  }
}

/** Ctrl-C ends what is asked for just now; what is asked after it (`cancel`, a result) still goes through. */
function interruptible({ signal }: Io, fetcher: typeof fetch): typeof fetch {
  return (input, init) => fetcher(input, signal.aborted ? init : { signal, ...init })
}

function stateDirectory(io: Io, named: string | undefined, repo: string | undefined): string {
  if (named !== undefined) return resolve(io.cwd, named)
  if (repo !== undefined) return join(repo, STATE_DIRECTORY)
  throw new OpenExecError('repository_invalid', `Cannot find a git repository at "${io.cwd}"`, {
    hint: 'Change into one, or name one with --repo PATH (or a state directory with --state DIR)',
  })
}

/**
 * The nearest directory upwards that holds `.git`; the workspace subsystem checks it for real. It is
 * looked for here as well, so that no state directory is made where there is no repository.
 */
function repositoryOf({ io, repo, state, config }: ConnectOptions): string | undefined {
  const start = resolve(io.cwd, repo ?? '.')
  for (let at = start; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at
    if (isBare(at)) throw notThere(at, 'it is a bare repository, which has no checkout')
    if (at === dirname(at)) break
  }
  if (repo !== undefined)
    throw notThere(
      start,
      existsSync(start) ? 'it is no git repository' : 'there is no such directory',
    )
  return (state ?? config.stateDir) === undefined ? undefined : start
}

function isBare(directory: string): boolean {
  return ['HEAD', 'objects', 'refs'].every((name) => existsSync(join(directory, name)))
}

function notThere(path: string, why: string): OpenExecError {
  return new OpenExecError('repository_invalid', `Cannot open "${path}": ${why}`, {
    hint: 'Name the checkout of a repository with --repo; `git clone` makes one of a bare repository, `git init` and a commit one of a directory',
  })
}
