/**
 * An engine of the tests' own with gVisor as a runtime, beside the one of the machine, which stays as
 * it is: runsc from Debian's backports in a cache directory, and a second dockerd with its own
 * directories and socket, no bridge and no firewall rules. Where that cannot be had, the reason.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectEngine, type Engine } from '../../src/sandbox/connect.ts'

export interface GvisorEngine {
  engine: Engine
  version: string
  close(): Promise<void>
}

/** Works with the system-call trap where there is no virtualisation; the older one of Debian does not. */
const VERSION = '0.0~20240729.0-4~bpo12+2'
const SUITE = 'bookworm-backports'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'openexec-gvisor')
const READY_WITHIN_MS = 60_000
const POLL_MS = 100

/** Gives a reason instead of an engine where this machine cannot have one. */
export async function gvisorEngine(
  images: readonly string[],
  from: Engine,
): Promise<GvisorEngine | string> {
  if (process.getuid?.() !== 0) return 'a second engine needs root'
  if (!from.endpoint.startsWith('unix://')) return 'the images lie on an engine elsewhere'
  for (const program of ['dockerd', 'docker'])
    if (!isThere(program)) return `"${program}" is not installed`
  mkdirSync(CACHE, { recursive: true, mode: 0o700 })
  let runsc: string
  try {
    runsc = fetchRunsc()
  } catch (error) {
    return `runsc ${VERSION} cannot be fetched: ${firstLine(error)}`
  }
  const daemon = startDaemon(runsc)
  try {
    const endpoint = `unix://${daemon.socket}`
    await untilReady(endpoint, daemon.child)
    copyImages(images, from.endpoint, endpoint)
    const engine = await connectEngine({ endpoint, source: 'test', tlsFolder: undefined })
    const [version = ''] = run(runsc, '--version').split('\n')
    return { engine, version, close: () => stop(daemon) }
  } catch (error) {
    await stop(daemon)
    return `the second engine does not start: ${firstLine(error)}`
  }
}

/** With package lists of its own: those of the machine are not touched, and nothing is installed. */
function fetchRunsc(): string {
  const program = join(CACHE, `runsc-${VERSION.replaceAll(/[^\w.-]/g, '_')}`)
  if (existsSync(program)) return program
  const folder = mkdtempSync(join(CACHE, 'fetch-'))
  try {
    mkdirSync(join(folder, 'lists/partial'), { recursive: true })
    mkdirSync(join(folder, 'cache/archives/partial'), { recursive: true })
    const sources = join(folder, 'sources.list')
    writeFileSync(sources, `deb [signed-by=${KEYRING}] ${debianMirror()} ${SUITE} main\n`)
    const options = [
      `Dir::Etc::sourcelist=${sources}`,
      'Dir::Etc::sourceparts=/dev/null',
      `Dir::State::lists=${folder}/lists`,
      `Dir::Cache=${folder}/cache`,
      'Debug::NoLocking=1',
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option])
    run('apt-get', '-q', ...options, 'update')
    execFileSync('apt-get', ['-q', ...options, 'download', `runsc=${VERSION}`], {
      cwd: folder,
      stdio: 'pipe',
    })
    run('sh', '-c', `dpkg-deb -x ${folder}/runsc_*.deb ${folder}/package`)
    run('mv', `${folder}/package/usr/bin/runsc`, program)
    chmodSync(program, 0o755)
    return program
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Where this machine gets Debian's main archive from. */
function debianMirror(): string {
  const format = [
    'indextargets',
    '--format',
    '$(REPO_URI) $(CODENAME) $(COMPONENT)',
    'Created-By: Packages',
  ]
  const line = run('apt-get', ...format)
    .split('\n')
    .find((one) => one.endsWith(' bookworm main'))
  if (line === undefined) throw new Error('this machine is not Debian 12')
  return line.split(' ')[0] ?? ''
}

interface Daemon {
  child: ChildProcess
  socket: string
  folder: string
}

/** Images stay in the cache; everything else goes with the daemon. */
function startDaemon(runsc: string): Daemon {
  const folder = mkdtempSync(join(tmpdir(), 'openexec-gvisor-'))
  const socket = join(folder, 'docker.sock')
  const settings = {
    runtimes: {
      runsc: {
        path: runsc,
        runtimeArgs: ['--platform=systrap', '--network=none', '--oci-seccomp'],
      },
      // For the test of a runtime that is registered and does not work.
      broken: { path: '/bin/false' },
    },
    'data-root': join(CACHE, 'data'),
    'exec-root': join(folder, 'exec'),
    pidfile: join(CACHE, 'dockerd.pid'),
    hosts: [`unix://${socket}`],
    bridge: 'none',
    iptables: false,
    'ip-forward': false,
    'ip-masq': false,
  }
  const file = join(folder, 'daemon.json')
  writeFileSync(file, JSON.stringify(settings))
  // A network namespace of its own: an engine without a bridge removes the one of the machine's.
  const argv = ['--net', 'dockerd', '--config-file', file]
  const child = spawn('unshare', argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000)
    writeFileSync(join(folder, 'log'), said)
  })
  child.on('error', () => {})
  return { child, socket, folder }
}

async function untilReady(endpoint: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    if (child.exitCode !== null) throw new Error('dockerd ended; is another test run using it?')
    const engine = await connectEngine({ endpoint, source: 'test', tlsFolder: undefined }).catch(
      () => undefined,
    )
    if (engine !== undefined) return
    if (Date.now() > deadline) throw new Error('dockerd does not answer')
    await delay(POLL_MS)
  }
}

/** Only what is not there yet, or not the same. */
function copyImages(images: readonly string[], from: string, to: string): void {
  const id = (endpoint: string, image: string) => {
    try {
      return run('docker', '-H', endpoint, 'image', 'inspect', '-f', '{{.Id}}', image).trim()
    } catch {
      return ''
    }
  }
  const wanted = images.filter((image) => id(from, image) !== id(to, image))
  if (wanted.length === 0) return
  run('sh', '-c', `docker -H ${from} save ${wanted.join(' ')} | docker -H ${to} load`)
  run('docker', '-H', to, 'image', 'prune', '-f')
}

async function stop({ child, folder }: Daemon): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  if (child.exitCode === null && child.kill('SIGTERM'))
    await Promise.race([ended, delay(15_000).then(() => child.kill('SIGKILL'))])
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 1 << 24 })
}

function isThere(program: string): boolean {
  try {
    run('sh', '-c', `command -v ${program}`)
    return true
  } catch {
    return false
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n').filter(Boolean).slice(0, 3).join('; ')
}
