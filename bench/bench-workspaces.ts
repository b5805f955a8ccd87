/** Workspaces of a repository of 50,000 files, and what git alone does with the same repository. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createWorkspaces,
  type Source,
  type Workspace,
  type Workspaces,
} from '../src/workspace/index.ts'
import { timed } from './row.ts'

const FILES = 50_000
const UID = 234_567
const never = new AbortController().signal

export interface WorkspaceBench {
  workspaces: Workspaces
  source: Source
  create(runId: string, source?: Source): Promise<Workspace>
  remove(workspace: Workspace): Promise<void>
  /** `ms` for `git worktree add` of a commit, which is removed again. */
  worktreeAdd(commit: string): Promise<number>
  git(directory: string, ...args: string[]): void
  /** Appends to ten files in ten directories. */
  touchTen(directory: string): void
  directory: string
  close(): Promise<void>
}

export async function openWorkspaceBench(): Promise<WorkspaceBench> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'openexec-bench-')))
  const [repo, stateDir] = [join(directory, 'repo'), join(directory, 'state')]
  mkdirSync(join(stateDir, 'work'), { recursive: true, mode: 0o700 })
  mkdirSync(repo)
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', args, { cwd, stdio: 'ignore' })
  git(repo, 'init', '--quiet')
  execFileSync('git', ['fast-import', '--quiet'], { cwd: repo, input: history() })
  git(repo, 'reset', '--quiet', '--hard', 'refs/heads/main')
  const usable = async () => ({ usable: true, why: '' })
  const workspaces = createWorkspaces({
    stateDir,
    searchPath: process.env['PATH'] ?? '',
    now: Date.now,
    remembers: true,
    seeds: { entriesMin: 1, usable },
  })
  const source = await workspaces.openSource({
    path: repo,
    ref: 'main',
    includeDirty: false,
    signal: never,
  })
  let counter = 0
  return {
    workspaces,
    source,
    directory,
    git,
    create: (runId, from = source) =>
      workspaces.create({
        source: from,
        runId,
        slotDir: join(stateDir, 'work', runId),
        uid: UID,
        gid: UID,
        denyRead: undefined,
        history: 'full',
        signal: never,
      }),
    remove: ({ slotDir }) => workspaces.remove(slotDir),
    async worktreeAdd(commit) {
      const to = join(directory, 'naive')
      const took = await timed(async () =>
        git(repo, 'worktree', 'add', '--quiet', '--detach', to, commit),
      )
      git(repo, 'worktree', 'remove', '--force', to)
      return took
    },
    touchTen(tree) {
      counter += 1
      for (let i = 0; i < 10; i++) appendFileSync(join(tree, `d${i}/s0/f${i}`), `${counter}\n`)
    },
    async close() {
      await workspaces.sweep(() => false)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A hundred directories with ten each, and fifty files in every one of those. */
function history(): string {
  const names = Array.from(
    { length: FILES },
    (_, i) => `d${i % 100}/s${Math.floor(i / 100) % 10}/f${i}`,
  )
  const blobs = names.map((name, i) => {
    const text = `${name}\n`.repeat(20)
    return `blob\nmark :${i + 1}\ndata ${text.length}\n${text}\n`
  })
  const files = names.map((name, i) => `M 100644 :${i + 1} ${name}\n`)
  const commit = 'commit refs/heads/main\ncommitter A <a@localhost> 1600000000 +0000\ndata 0\n'
  return `${blobs.join('')}${commit}${files.join('')}\n`
}
