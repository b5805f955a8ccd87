/**
 * A server as its operator has it: `openexec serve` in a process of its own, over a state directory
 * of its own, so that its memory is its own and it can be killed. Whoever starts one kills it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, createRemoteClient } from '../src/client/index.ts'

const PROGRAM = join(import.meta.dirname, '../bin/openexec.js')
const START_MS_MAX = 120_000
/** What a failing start is reported with. */
const LOG_CHARS_MAX = 20_000

export interface ServerProcess {
  url: string
  token: string
  client: Client
  pid: number
  /** From the start of the process until it takes requests, in `ms`. */
  startMs: number
  /** Bytes of memory it has now. */
  memory(): number
  /** The end of what it logged. */
  logged(): string
  /** Resolves with its exit code, or 128 and the signal's number. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number>
}

interface ServerPlace {
  stateDir: string
  /** More words for `openexec serve`. */
  words?: readonly string[]
  /** Any that is free unless one is named. */
  port?: number
}

export async function startServer({
  stateDir,
  words = [],
  port = 0,
}: ServerPlace): Promise<ServerProcess> {
  const started = performance.now()
  const child = spawnServer({ stateDir, words, port })
  const ended = once(child, 'close')
  const log = { text: '' }
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log.text = `${log.text}${text}`.slice(-LOG_CHARS_MAX)
  })
  const url = await listening(child, log)
  const startMs = performance.now() - started
  const token = readFileSync(join(stateDir, 'token'), 'utf8').trim()
  const pid = child.pid ?? 0
  return {
    url,
    token,
    client: createRemoteClient({ url, token }),
    pid,
    startMs,
    memory: () => memoryOf(pid),
    logged: () => log.text,
    async kill(signal) {
      child.kill(signal)
      await ended
      return child.exitCode ?? (child.signalCode === 'SIGKILL' ? 137 : 143)
    },
  }
}

/** One that is killed so long after its process began, whatever it does then. */
export async function startDoomed(place: Required<ServerPlace>, lifeMs: number): Promise<void> {
  const child = spawnServer(place)
  const ended = once(child, 'close')
  child.stdout.resume()
  child.stderr.resume()
  setTimeout(() => child.kill('SIGKILL'), lifeMs)
  await ended
}

function spawnServer({ stateDir, words, port }: Required<ServerPlace>) {
  const given = ['serve', '--listen', `127.0.0.1:${port}`, '--state', stateDir, ...words]
  return spawn(process.execPath, [PROGRAM, ...given], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function listening(child: ChildProcess, log: { text: string }): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL')
      reject(new Error(`The server did not start (${why}): ${log.text}`))
    }
    const timer = setTimeout(() => fail('too slow'), START_MS_MAX)
    let seen = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      seen += text
      const url = /Listening on (\S+)\n/.exec(seen)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    })
    child.once('close', () => {
      clearTimeout(timer)
      fail('it ended')
    })
  })
}

/** Linux alone says it of another process without a program of its own. */
function memoryOf(pid: number): number {
  // One that is ending has no memory any more.
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kb ?? 0) * 1024
}

/** What everything of a state directory is labelled with on the engine. */
export function instanceOf(stateDir: string): string {
  return createHash('sha256').update(realpathSync(stateDir)).digest('hex').slice(0, 16)
}

/** A repository with one commit. */
export function makeRepository(directory: string): string {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'README.md'), '# bench\n')
  const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'ignore' })
  git('init', '--quiet')
  git('add', '--all')
  const identity = ['user.name=bench', 'user.email=bench@localhost', 'commit.gpgsign=false']
  git(...identity.flatMap((each) => ['-c', each]), 'commit', '--quiet', '--message=bench')
  return directory
}
