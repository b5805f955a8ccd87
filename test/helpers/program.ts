/** The real program over a repository of its own, and a look at what is left of its runs. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RunResult } from '../../src/schema/index.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const PROGRAM = join(ROOT, 'bin/openexec.js')
const SAMPLE = join(ROOT, 'scripts/demo/sample')

interface Ended {
  code: number
  stdout: string
  stderr: string
}

export interface TestRepository {
  path: string
  git(...args: string[]): string
  write(file: string, text: string): string
  commit(message: string): void
  /** Runs the program in the repository to its end. */
  openexec(...args: string[]): Promise<Ended>
  /** The same with `--json`, its one object read. */
  run(...args: string[]): Promise<RunResult>
  /** Workspaces and worktree entries that are still there. */
  leftovers(): string[]
  [Symbol.dispose](): void
}

/** A commit of the sample that ships with the project, in a directory that goes with the test. */
export function sampleRepository(): TestRepository {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-program-test-')))
  cpSync(SAMPLE, path, { recursive: true })
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: path, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  git('init', '--quiet', '--initial-branch=main')
  const repository: TestRepository = {
    path,
    git,
    write(file, text) {
      writeFileSync(join(path, file), text)
      return join(path, file)
    },
    commit(message) {
      git('add', '--all')
      const identity = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
      git(...identity, '-c', 'commit.gpgsign=false', 'commit', '--quiet', `--message=${message}`)
    },
    openexec: (...args) => openexec(path, args),
    async run(...args) {
      const { stdout, stderr } = await openexec(path, ['run', '--json', ...args])
      const parsed: unknown = JSON.parse(stdout)
      const result = RunResult.safeParse(parsed)
      if (!result.success) throw new Error(`Not a result: ${stdout}\n${stderr}`)
      return result.data
    },
    leftovers() {
      const worktrees = git('worktree', 'list', '--porcelain')
        .split('\n')
        .filter((line) => line.startsWith('worktree ') && line !== `worktree ${path}`)
      const work = join(path, '.openexec/work')
      return [...worktrees, ...listing(work)]
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
  repository.commit('Add pages')
  return repository
}

function listing(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function openexec(cwd: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
  })
}
