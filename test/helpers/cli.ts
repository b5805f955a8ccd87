/**
 * The command line as its users have it: `bin/openexec.js` in a process of its own, in a repository
 * of its own, and a look at the world afterwards.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { ErrorBody, RunResult } from '../../src/schema/index.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/openexec.js')
/** A command that takes longer is killed, and its test fails by its exit code. */
const COMMAND_MS_MAX = 90_000

export interface CliRun {
  /** 128 + the signal where one ended the process. */
  code: number
  stdout: string
  stderr: string
}

export interface CliOptions {
  cwd: string
  env?: Record<string, string>
  /** Whom the process belongs to, where the tests run as root. */
  user?: { uid: number; gid: number }
  limitMs?: number
}

/** Runs `openexec` to its end. */
export async function openexec(args: readonly string[], options: CliOptions): Promise<CliRun> {
  return await startOpenexec(args, options).ended
}

interface RunningCli {
  process: ChildProcess
  ended: Promise<CliRun>
  /** Settles when stdout and stderr together hold `text`; rejects when the process ends without it. */
  shows(text: string): Promise<void>
  /** What it has printed so far. */
  output(): string
}

export function startOpenexec(
  args: readonly string[],
  { cwd, env = {}, user, limitMs = COMMAND_MS_MAX }: CliOptions,
): RunningCli {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    ...user,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  })
  const output = { stdout: '', stderr: '' }
  const waiting = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
      for (const look of waiting) look()
    })
  const ended = new Promise<CliRun>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 128), ...output }),
    )
  })
  const shows = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!`${output.stdout}${output.stderr}`.includes(text)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
      const missing = () => new Error(`Ended without "${text}": ${output.stdout}${output.stderr}`)
      ended.then(() => reject(missing()), reject)
    })
  return { process: child, ended, shows, output: () => output.stdout + output.stderr }
}

/** Nothing of the machine that runs the tests decides what they see. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, XDG_RUNTIME_DIR } = process.env
  return {
    PATH,
    HOME,
    DOCKER_HOST,
    DOCKER_CONTEXT,
    DOCKER_CONFIG,
    XDG_RUNTIME_DIR,
    LANG: 'C.UTF-8',
  }
}

export interface TestRepository {
  path: string
  /** Name of the state directory on everything it has on the engine. */
  readonly instance: string
  git(...args: string[]): string
  write(path: string, content: string | Uint8Array): void
  commit(): void
  /** Digest of every file but those of `.openexec`; git's own included. */
  digest(): string
  [Symbol.dispose](): void
}

/** A repository with one commit of `files`, and of an empty `README.md`. */
export function testRepository(files: Readonly<Record<string, string>> = {}): TestRepository {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-cli-')))
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', path, ...args], { encoding: 'utf8' })
  const write: TestRepository['write'] = (name, content) => {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), content)
  }
  const commit = () => {
    git('add', '--all')
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost']
    git(...identity, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message=Test')
  }
  git('init', '--quiet', '--initial-branch=main')
  for (const [name, content] of Object.entries({ 'README.md': '', ...files })) write(name, content)
  commit()
  return {
    path,
    get instance() {
      return createHash('sha256').update(join(path, '.openexec')).digest('hex').slice(0, 16)
    },
    git,
    write,
    commit,
    digest: () => digestOf(path, '.openexec'),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** A directory of its own that is no repository. */
export function testDirectory(): { path: string; [Symbol.dispose](): void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-cli-')))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

function digestOf(root: string, omitted: string): string {
  const hash = createHash('sha256')
  const visit = (directory: Buffer): void => {
    const names = readdirSync(directory, { encoding: 'buffer' }).sort(Buffer.compare)
    for (const name of names) {
      const file = Buffer.concat([directory, Buffer.from('/'), name])
      if (relative(root, file.toString()) === omitted) continue
      const { mode } = lstatSync(file)
      hash.update(file).update(`\0${mode}\0`)
      if (lstatSync(file).isDirectory()) visit(file)
      else if (lstatSync(file).isSymbolicLink()) hash.update(readlinkSync(file))
      else hash.update(readFileSync(file))
    }
  }
  visit(Buffer.from(root))
  return hash.digest('hex')
}

/** What a run left on this machine that it should not: worktrees of git and slots of runs. */
export function leftInRepository({ path, git }: TestRepository): string[] {
  const work = join(path, '.openexec/work')
  const trees = git('worktree', 'list', '--porcelain').match(/^worktree .*$/gm) ?? []
  return [...(existsSync(work) ? readdirSync(work) : []), ...trees.slice(1)]
}

/** How many runs the state directory knows of, seen without the program. */
export function countRuns({ path }: Pick<TestRepository, 'path'>): number {
  const file = join(path, '.openexec/openexec.db')
  if (!existsSync(file)) return 0
  const database = new SqliteDatabase(file, { readonly: true })
  const count = database.prepare('SELECT count(*) FROM runs').pluck().get()
  database.close()
  return Number(count)
}

/** The one JSON document of stdout as the result of a run. */
export function resultOf({ stdout }: CliRun): RunResult {
  return RunResult.parse(JSON.parse(stdout))
}

/** The one JSON document of stdout as an error. */
export function errorOf({ stdout }: CliRun): ErrorBody {
  const parsed: unknown = JSON.parse(stdout)
  return ErrorBody.parse(Reflect.get(Object(parsed), 'error'))
}
