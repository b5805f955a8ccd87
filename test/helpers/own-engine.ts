/**
 * An engine of the test's own, which may be killed: a second dockerd with its own directories and
 * socket, no bridge and no firewall rules, in a network namespace of its own. Nothing of the machine's
 * engine is touched.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface OwnEngine {
  endpoint: string
  /** As `kill -9` of the daemon; its containers' processes are left as they are. */
  kill(): Promise<void>
  /** Stops it where it is; it answers nobody until `go()`. */
  halt(): void
  go(): void
  start(): Promise<void>
  /** Ids of all its containers. */
  containers(): string[]
  close(): Promise<void>
}

const READY_TRIES = 300
const POLL_MS = 200

/** Gives a reason where this machine cannot have one. */
export async function ownEngine(
  images: readonly string[],
  from: string,
): Promise<OwnEngine | string> {
  if (process.getuid?.() !== 0) return 'a second engine needs root'
  if (!from.startsWith('unix://')) return 'the images lie on an engine elsewhere'
  const folder = mkdtempSync(join(tmpdir(), 'openexec-engine-'))
  const endpoint = `unix://${join(folder, 'docker.sock')}`
  const pidFile = join(folder, 'dockerd.pid')
  const config = join(folder, 'daemon.json')
  writeFileSync(
    config,
    JSON.stringify({
      'data-root': join(folder, 'data'),
      'exec-root': join(folder, 'exec'),
      pidfile: pidFile,
      hosts: [endpoint],
      bridge: 'none',
      iptables: false,
      'ip-forward': false,
      'ip-masq': false,
    }),
  )
  let child: ChildProcess | undefined
  const signal = (name: NodeJS.Signals) => {
    if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')), name)
  }
  const start = async () => {
    rmSync(pidFile, { force: true })
    child = spawn('unshare', ['--net', 'dockerd', '--config-file', config], { stdio: 'ignore' })
    for (let tries = 0; tries < READY_TRIES; tries++, await delay(POLL_MS))
      if (answers(endpoint)) return
    throw new Error('The second engine does not start')
  }
  const end = async (name: NodeJS.Signals) => {
    const exited = child === undefined || child.exitCode !== null ? undefined : once(child, 'exit')
    signal('SIGCONT')
    signal(name)
    await exited
    child = undefined
  }
  try {
    await start()
    const copy = `docker -H ${from} save ${images.join(' ')} | docker -H ${endpoint} load`
    execFileSync('sh', ['-c', copy], { stdio: 'ignore' })
  } catch (error) {
    await end('SIGKILL')
    return `the second engine does not start: ${String(error)}`
  }
  return {
    endpoint,
    start,
    kill: () => end('SIGKILL'),
    halt: () => signal('SIGSTOP'),
    go: () => signal('SIGCONT'),
    containers: () =>
      execFileSync('docker', ['-H', endpoint, 'ps', '-aq'], { encoding: 'utf8' })
        .split('\n')
        .filter((id) => id !== ''),
    close: async () => {
      await end('SIGTERM')
      // Of a daemon that was killed it may have been left.
      const left = join(folder, 'exec/containerd/containerd.pid')
      try {
        if (existsSync(left)) process.kill(Number(readFileSync(left, 'utf8')), 'SIGTERM')
      } catch {
        // It has ended with its daemon.
      }
      unmountBelow(folder)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What a daemon that was killed has left mounted. */
function unmountBelow(folder: string): void {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const mounted = lines.map((line) => line.split(' ')[1] ?? '')
  for (const path of mounted.filter((one) => one.startsWith(`${folder}/`)).toReversed())
    execFileSync('umount', ['--lazy', path], { stdio: 'ignore' })
}

function answers(endpoint: string): boolean {
  try {
    execFileSync('docker', ['-H', endpoint, 'version'], { stdio: 'ignore', timeout: 5_000 })
    return true
  } catch {
    return false
  }
}
