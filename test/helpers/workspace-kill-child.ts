/** Takes in commits of a repository elsewhere, again and again, until somebody kills it. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { parseRepoUrl } from '../../src/schema/index.ts'
import { createWorkspaces } from '../../src/workspace/index.ts'

const [repo = '', stateDir = '', way = '', url = '', authorities = ''] = process.argv.slice(2)
const signal = new AbortController().signal
const DAY_MS = 86_400_000
const searchPath = process.env['PATH'] ?? ''
const workspaces = createWorkspaces({ stateDir, searchPath, now: Date.now })
/** To whom everything is old enough to be removed. */
const later = createWorkspaces({ stateDir, searchPath, now: () => Date.now() + DAY_MS })

process.stdout.write('ready\n')
for (let round = 0; ; round++) {
  const commit = next(round)
  if (way === 'fetch') await fetched(commit)
  else await uploaded(commit)
  const inUse = () => ({ roots: new Set<string>(), commits: new Set<string>() })
  if (round % 3 === 2) await later.pruneKept(inUse, signal)
}

async function fetched(commit: string): Promise<void> {
  const way = { url: parseRepoUrl(url), address: '127.0.0.1', credential: undefined, authorities }
  const got = await workspaces.fetchSource({ ...way, tenant: 'acme', ref: 'main', signal })
  if (got.commit !== commit) throw new Error(`Fetched ${got.commit} and not ${commit}`)
}

async function uploaded(commit: string): Promise<void> {
  const identity = { tenant: 'acme', kind: 'upload', name: 'x', shallow: [] } as const
  const kept = workspaces.keepSource({ ...identity, objectFormat: 'sha1' })
  const packFile = path.join(stateDir, `pack-${process.pid}`)
  const known = workspaces.heldCommits(kept).map((oid) => `^${oid}\n`)
  fs.writeFileSync(
    packFile,
    git([`${commit}\n`, ...known].join(''), 'pack-objects', '--revs', '--stdout', '-q'),
  )
  await workspaces.receiveCommit(kept, { commit, packFile, signal })
  fs.rmSync(packFile)
}

/** A new commit on the branch, made without a lock that a kill could leave. */
function next(round: number): string {
  const blob = String(
    git(`${process.pid} ${round}\n`.repeat(500), 'hash-object', '-w', '--stdin'),
  ).trim()
  const tree = String(git(`100644 blob ${blob}\ta.txt\n`, 'mktree')).trim()
  const commit = String(git('x\n', 'commit-tree', tree, '-p', 'main')).trim()
  fs.writeFileSync(path.join(repo, '.git/refs/heads/main.new'), `${commit}\n`)
  fs.renameSync(
    path.join(repo, '.git/refs/heads/main.new'),
    path.join(repo, '.git/refs/heads/main'),
  )
  return commit
}

function git(input: string, ...args: string[]): Buffer {
  const names = ['-c', 'user.name=A', '-c', 'user.email=a@example.org']
  return execFileSync('git', [...names, ...args], {
    cwd: repo,
    input,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}
