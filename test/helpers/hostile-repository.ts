/**
 * A repository nobody should trust, and the real program run on it as its user would: the command
 * line as a process of its own, against a real engine. What an attack must not do leaves a mark on
 * the host; what a run must not leave is looked for when the repository goes.
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Event, type RunId, RunResult } from '../../src/schema/index.ts'
import { testEngine } from './docker.ts'

const OPENEXEC = fileURLToPath(new URL('../../bin/openexec.js', import.meta.url))
/** Bytes kept of each stream of the program. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024
const MEMORY_LOOK_MS = 50

interface Ended {
  code: number | null
  stdout: Buffer
  stderr: Buffer
  /** Highest resident memory of the program, in bytes; 0 where the system does not say. */
  residentBytesMax: number
}

interface EndedRun extends Ended {
  result: RunResult
}

export interface HostileRepository {
  path: string
  /** Host path that nothing may make: attacks try to. Below a directory no sandbox has. */
  mark: string
  isMarked(): boolean
  write(name: string, content: string | Uint8Array, mode?: number): void
  read(name: string): string
  git(...args: string[]): string
  /** Commits everything, ignored or not. */
  commit(): string
  openexec(...args: string[]): Promise<Ended>
  /** `openexec run --json …`, whose result is expected. */
  run(...args: string[]): Promise<EndedRun>
  /** One command in the `base` image. */
  shell(script: string, ...options: string[]): Promise<EndedRun>
  events(id: RunId): Promise<Event[]>
  /** Removes all, and throws when a run left anything on the engine or in the repository. */
  [Symbol.asyncDispose](): Promise<void>
}

export function hostileRepository(files: Record<string, string> = {}): HostileRepository {
  const top = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-hostile-')))
  const path = join(top, 'repository')
  const mark = join(top, 'outside', 'MARK')
  mkdirSync(path)
  mkdirSync(dirname(mark))
  const runs: RunId[] = []
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: path, encoding: 'utf8', stdio: 'pipe' })
  const repository: HostileRepository = {
    path,
    mark,
    isMarked: () => existsSync(mark),
    write(name, content, mode) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), content)
      if (mode !== undefined) chmodSync(join(path, name), mode)
    },
    read: (name) => readFileSync(join(path, name), 'utf8'),
    git,
    commit() {
      git('add', '--all', '--force', '--', '.', ':(exclude).openexec')
      git('commit', '--quiet', '--allow-empty', '--message=Change')
      return git('rev-parse', 'HEAD').trim()
    },
    openexec: (...args) => runProgram(path, args),
    async run(...args) {
      const [options, command] = splitAtDashes(args)
      const ended = await runProgram(path, ['run', '--json', '--quiet', ...options, ...command])
      const result = RunResult.safeParse(lastJson(ended.stdout))
      if (!result.success)
        throw new Error(
          `The run gave no result (exit ${ended.code}): ${ended.stderr.toString().slice(-2000)}`,
        )
      runs.push(result.data.run)
      return { ...ended, result: result.data }
    },
    shell: (script, ...options) =>
      repository.run('--image', 'base', ...options, '--', 'sh', '-c', script),
    async events(id) {
      const { stdout } = await runProgram(path, ['events', id, '--json'])
      return stdout
        .toString()
        .trim()
        .split('\n')
        .map((line) => Event.parse(JSON.parse(line)))
    },
    async [Symbol.asyncDispose]() {
      const left = await leftovers(path, runs)
      rmSync(top, { recursive: true, force: true })
      if (left.length > 0) throw new Error(`Left behind: ${left.join(', ')}`)
    },
  }
  git('init', '--quiet', '--initial-branch=main')
  git('config', 'user.name', 'Mallory')
  git('config', 'user.email', 'mallory@localhost')
  git('config', 'commit.gpgsign', 'false')
  repository.write('readme', 'hello\n')
  for (const [name, content] of Object.entries(files)) repository.write(name, content)
  repository.commit()
  return repository
}

function splitAtDashes(args: readonly string[]): [string[], string[]] {
  const dashes = args.indexOf('--')
  return dashes === -1 ? [[...args], []] : [args.slice(0, dashes), args.slice(dashes)]
}

function lastJson(stdout: Buffer): unknown {
  try {
    return JSON.parse(stdout.toString().trim().split('\n').at(-1) ?? '')
  } catch {
    return undefined
  }
}

async function runProgram(cwd: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [OPENEXEC, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = [keepEnd(child.stdout), keepEnd(child.stderr)]
  let residentBytesMax = 0
  const look = setInterval(() => {
    residentBytesMax = Math.max(residentBytesMax, residentPeak(child.pid))
  }, MEMORY_LOOK_MS)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return { code, stdout: stdout(), stderr: stderr(), residentBytesMax }
  } finally {
    clearInterval(look)
  }
}

/** Gives the last bytes of a stream, which is read whatever comes. */
function keepEnd(stream: NodeJS.ReadableStream): () => Buffer {
  let kept: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    kept.push(chunk)
    bytes += chunk.length
    if (bytes < 2 * KEPT_BYTES_MAX) return
    kept = [Buffer.concat(kept).subarray(-KEPT_BYTES_MAX)]
    bytes = KEPT_BYTES_MAX
  })
  return () => Buffer.concat(kept)
}

function residentPeak(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

async function leftovers(path: string, runs: readonly RunId[]): Promise<string[]> {
  const { docker } = testEngine()
  const left: string[] = []
  for (const id of runs) {
    const filters = { label: [`openexec.run=${id}`] }
    const containers = await docker.listContainers({ all: true, filters })
    left.push(...containers.map(({ Id }) => `container ${Id.slice(0, 12)}`))
    const slot = join(path, '.openexec/work', id)
    if (existsSync(slot)) left.push(slot)
    const entry = join(path, '.git/worktrees', id)
    if (existsSync(entry)) left.push(entry)
  }
  return left
}
