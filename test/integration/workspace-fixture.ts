/** Real repositories in temporary directories, and a stand-in for git as a sandbox runs it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import {
  createWorkspaces,
  SNAPSHOT_LIMITS,
  type Source,
  type Workspace,
  type Workspaces,
} from '../../src/workspace/index.ts'

export const signal = new AbortController().signal
export const limits = SNAPSHOT_LIMITS

const SEARCH_PATH = process.env['PATH'] ?? ''
/** Whom a tree can be given to where the tests may do that. */
const SANDBOX_ID = process.getuid?.() === 0 ? 200_123 : (process.getuid?.() ?? 0)
const ENVIRONMENT = {
  PATH: SEARCH_PATH,
  HOME: '/dev/null/nowhere',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
}

export interface Bench {
  /** Temporary directory; removed after the test. */
  dir: string
  stateDir: string
  repo: string
  workspaces: Workspaces
  /** Git in the user's repository. */
  git(...args: string[]): string
  open(options?: { ref?: string; includeDirty?: boolean }): Promise<Source>
  create(options?: CreateOptions): Promise<Workspace>
  snapshot(workspace: Workspace): ReturnType<Workspace['snapshot']>
}

interface CreateOptions {
  runId?: string
  source?: Source
  history?: 'full' | 'head'
  denyRead?: (path: string | Uint8Array) => boolean
}

/** A repository with one commit of `files`, and a state directory beside it. */
export function bench(
  files: Record<string, string> = { 'a.txt': 'a\n' },
  init: string[] = [],
  { overlay = false }: { overlay?: boolean } = {},
): Bench {
  const dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'openexec-workspace-')))
  onTestFinished(() => {
    unmountAll(dir)
    spawnSync('chmod', ['-R', 'u+rwx', dir])
    spawnSync('rm', ['-rf', dir])
  }, 120_000)
  const repo = path.join(dir, 'repo')
  const stateDir = path.join(dir, 'state')
  fs.mkdirSync(path.join(stateDir, 'work'), { recursive: true })
  fs.mkdirSync(repo)
  const git = (...args: string[]): string => gitIn(repo, ...args)
  git('init', '--quiet', '--initial-branch=main', ...init)
  for (const [name, content] of Object.entries(files)) write(repo, name, content)
  git('add', '--all')
  git('commit', '--quiet', '--allow-empty', '--message', 'First')
  const workspaces = createWorkspaces({
    stateDir,
    searchPath: SEARCH_PATH,
    now: () => Date.now(),
    ...(overlay && {
      seeds: { entriesMin: 0, usable: async () => ({ usable: true, why: 'as the test wants it' }) },
    }),
  })
  const open: Bench['open'] = ({ ref, includeDirty = false } = {}) =>
    workspaces.openSource({ path: repo, ref, includeDirty, signal })
  return {
    dir,
    stateDir,
    repo,
    workspaces,
    git,
    open,
    async create({ runId = 'run_one', source, history = 'full', denyRead = () => false } = {}) {
      return workspaces.create({
        source: source ?? (await open()),
        runId,
        slotDir: path.join(stateDir, 'work', runId),
        uid: SANDBOX_ID,
        gid: SANDBOX_ID,
        denyRead,
        history,
        signal,
      })
    },
    snapshot: (workspace) => workspace.snapshot({ baseTree: workspace.baseTree, limits, signal }),
  }
}

/** What a test left mounted would be emptied instead of removed. */
function unmountAll(directory: string): void {
  const table = fs.existsSync('/proc/self/mounts')
    ? fs.readFileSync('/proc/self/mounts', 'utf8')
    : ''
  for (const line of table.split('\n').toReversed()) {
    const point = line.split(' ')[1]
    if (point?.startsWith(`${directory}/`) === true) spawnSync('umount', ['-l', point])
  }
}

export function write(root: string, name: string, content: string | Buffer): void {
  fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
  fs.writeFileSync(path.join(root, name), content)
}

export function gitIn(directory: string, ...args: string[]): string {
  return execFileSync('git', args, {
    cwd: directory,
    env: ENVIRONMENT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Git with standard input, in a repository. */
export function gitFed(directory: string, input: string | Buffer, ...args: string[]): string {
  return execFileSync('git', args, { cwd: directory, env: ENVIRONMENT, input, encoding: 'utf8' })
}

/** Git as it sees the workspace inside: private directory, borrowed objects. */
export function gitInside(workspace: Workspace, ...args: string[]): { code: number; out: string } {
  const mounts = workspace.mounts({ workspace: 'read_write', git: 'private' })
  const objects = mounts.filter((mount) => mount.target.startsWith('/openexec/objects'))
  const directories = objects.filter((mount) => !mount.target.endsWith('alternates'))
  const result = spawnSync('git', args, {
    cwd: workspace.treeDir,
    env: {
      ...ENVIRONMENT,
      GIT_DIR: path.join(workspace.slotDir, 'git'),
      GIT_WORK_TREE: workspace.treeDir,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: directories.map((mount) => mount.source).join(':'),
    },
    encoding: 'utf8',
  })
  return { code: result.status ?? -1, out: result.stdout }
}

/** Every file below a directory with its content, mode and kind, as one hash per path. */
export function fingerprint(directory: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const file = path.join(directory, name)
    const stat = fs.lstatSync(file)
    const content = stat.isFile() ? fs.readFileSync(file) : Buffer.alloc(0)
    const hash = createHash('sha256').update(content).digest('hex')
    found.set(name, `${stat.mode.toString(8)} ${stat.uid} ${hash}`)
  }
  return found
}

/** Shell text that leaves a mark when something runs it, and whether it did. */
export function marker(dir: string): {
  command: string
  script: string
  ran(): boolean
  clear(): void
} {
  const file = path.join(dir, 'marker')
  const script = path.join(dir, 'evil.sh')
  fs.writeFileSync(script, `#!/bin/sh\ntouch "${file}"\ncat\n`, { mode: 0o755 })
  return {
    command: `touch ${file}`,
    script,
    ran: () => fs.existsSync(file),
    clear: () => fs.rmSync(file, { force: true }),
  }
}

/** Which shell to run destructive set-up in, quoted names included. */
export function shell(directory: string, text: string): string {
  return execFileSync('bash', ['--norc', '-c', text], {
    cwd: directory,
    env: ENVIRONMENT,
    encoding: 'utf8',
  })
}
