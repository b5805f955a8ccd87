/**
 * Starts the installed Docker daemon: through systemd where it runs the machine, else by hand,
 * detached, so that it outlives set-up. A daemon process that exists is left alone, even when it
 * does not answer: it belongs to somebody.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OpenExecError } from '../../src/schema/index.ts'
import { runQuietly, systemPath } from './command.ts'

export interface StartOptions {
  say(line: string): void
  isReady(): Promise<boolean>
}

const STATE = '/var/lib/openexec-setup'
const READY_WITHIN_MS = 60_000
const POLL_MS = 100
const LOG_LINES = 15

export async function startDaemon({ say, isReady }: StartOptions): Promise<void> {
  if (existsSync('/run/systemd/system')) {
    say('starting the Docker service')
    await runQuietly(['systemctl', 'start', 'docker']).catch((cause: unknown) => {
      throw notStarted('systemctl start docker', 'journalctl -u docker', cause)
    })
    await untilReady(isReady, () => undefined, 'journalctl -u docker')
    return
  }
  const pid = runningDaemon()
  if (pid !== undefined) {
    throw new OpenExecError(
      'engine_unavailable',
      `Cannot reach the Docker daemon that runs as process ${pid}`,
      {
        hint: 'Set DOCKER_HOST to the address it listens on, or stop it and run the command again',
      },
    )
  }
  await startByHand(say, isReady)
}

async function startByHand(
  say: StartOptions['say'],
  isReady: StartOptions['isReady'],
): Promise<void> {
  mkdirSync(STATE, { recursive: true, mode: 0o700 })
  const log = join(STATE, 'dockerd.log')
  say(`starting dockerd (no systemd here); its log is ${log}`)
  const output = openSync(log, 'w', 0o600)
  let ended: string | undefined
  try {
    const child = spawn('dockerd', ['--host=unix:///var/run/docker.sock'], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, PATH: systemPath() },
    })
    child.on('error', (error) => (ended = error.message))
    child.on(
      'exit',
      (code, signal) => (ended = `dockerd ended with ${signal ?? `exit code ${code}`}`),
    )
    child.unref()
    if (child.pid !== undefined) writeFileSync(join(STATE, 'dockerd.pid'), String(child.pid))
    await untilReady(isReady, () => ended, log)
  } finally {
    closeSync(output)
  }
}

async function untilReady(
  isReady: () => Promise<boolean>,
  ended: () => string | undefined,
  log: string,
): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await isReady())) {
    const reason =
      ended() ?? (Date.now() > deadline ? 'it does not answer within a minute' : undefined)
    if (reason !== undefined) throw notStarted(reason, log, new Error(endOf(log)))
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function notStarted(reason: string, log: string, cause: unknown): OpenExecError {
  const end = endOf(log)
  return new OpenExecError('engine_unavailable', `Cannot start the Docker daemon: ${reason}`, {
    hint: `Read ${log}${end && `, which ends:\n${end}\n`}, correct what it reports, then run the command again`,
    cause,
  })
}

function endOf(log: string): string {
  return existsSync(log)
    ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES).join('\n')
    : ''
}

function runningDaemon(): number | undefined {
  try {
    const pid = Number(readFileSync('/var/run/docker.pid', 'utf8'))
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockerd' ? pid : undefined
  } catch {
    return undefined
  }
}
