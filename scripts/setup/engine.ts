/**
 * An engine that answers: the one that is there, else one that set-up starts, and installs before
 * that where it may (root on Debian or Ubuntu). An engine that runs is never touched, and where the
 * user named one, no other takes its place.
 */
import { OpenExecError } from '../../src/schema/index.ts'
import { findEngine, type Engine } from '../../src/sandbox/connect.ts'
import { aptInstall, isDebianLike } from './apt.ts'
import { isInstalled } from './command.ts'
import { startDaemon } from './daemon.ts'

type Say = (line: string) => void

const INSTALLED_STARTS_WITHIN_MS = 3_000

export async function ensureEngine(env: NodeJS.ProcessEnv, say: Say): Promise<Engine> {
  const found = await findEngine(env).catch((error: unknown) => {
    if (!isNoEngine(error) || !mayStartOne(env)) throw withRemedy(error)
    say(error.message)
    return undefined
  })
  const engine = found ?? (await installAndStart(env, say))
  const kind = engine.rootless ? `rootless ${engine.kind}` : engine.kind
  say(`engine ${kind} ${engine.version} (API ${engine.apiVersion}) at ${engine.endpoint}`)
  return engine
}

async function installAndStart(env: NodeJS.ProcessEnv, say: Say): Promise<Engine> {
  if (!isInstalled('dockerd')) {
    say('installing the package docker.io (about a minute)')
    await aptInstall(['docker.io'])
    // The package may have started its service.
    const started = await waitForEngine(env, INSTALLED_STARTS_WITHIN_MS)
    if (started !== undefined) return started
  }
  await startDaemon({
    say,
    isReady: async () => (await waitForEngine(env, 0)) !== undefined,
  })
  return findEngine(env)
}

async function waitForEngine(env: NodeJS.ProcessEnv, waitMs: number): Promise<Engine | undefined> {
  const deadline = Date.now() + waitMs
  for (;;) {
    try {
      return await findEngine(env)
    } catch (error) {
      if (!isNoEngine(error)) throw error
    }
    if (Date.now() >= deadline) return undefined
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function isNoEngine(error: unknown): error is OpenExecError {
  return error instanceof OpenExecError && error.code === 'engine_unavailable'
}

/** A named engine that does not answer is the user's to start: it may be on another machine. */
function mayStartOne(env: NodeJS.ProcessEnv): boolean {
  if (env['DOCKER_HOST'] || env['DOCKER_CONTEXT']) return false
  return (
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    (isInstalled('dockerd') || isDebianLike())
  )
}

function withRemedy(error: unknown): unknown {
  if (!isNoEngine(error) || error.details?.['problem'] !== undefined) return error
  return new OpenExecError(error.code, error.message, { hint: remedy(), cause: error })
}

function remedy(): string {
  if (process.platform === 'darwin') {
    return 'Install and start Docker Desktop, OrbStack or Colima (`brew install colima docker && colima start`), then run the command again'
  }
  if (isInstalled('dockerd'))
    return 'Start the engine with `sudo systemctl start docker`, then run the command again'
  if (isDebianLike()) {
    return 'Run `sudo apt-get install -y docker.io && sudo usermod -aG docker "$USER"`, log in again, then run the command again (as root, set-up does this itself)'
  }
  return 'Install Docker Engine 20.10 or newer (https://docs.docker.com/engine/install/) or Podman 4 with its API socket, start it, then run the command again'
}
