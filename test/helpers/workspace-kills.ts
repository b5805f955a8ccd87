/** Kills children at random moments of their work, and looks at what they leave. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { type Bench, bench, gitIn } from '../integration/workspace-fixture.ts'
import { gitServer } from './git-server.ts'

/** Longest life of a child, in `ms`; a round of its work takes about half of it. */
const LIFE_MS_MAX = 900
/** The same for what waits for another process. */
const INTAKE_MS_MAX = 1_500
const LOCAL = fileURLToPath(new URL('../integration/workspace-crash-child.ts', import.meta.url))
const ELSEWHERE = fileURLToPath(new URL('workspace-kill-child.ts', import.meta.url))

interface Rounds {
  rounds: number
  seed: number
}

/** `way` is what follows create and snapshot: `apply`, `merge` or `prune`. */
export async function killLocalWork(way: string, { rounds, seed }: Rounds): Promise<void> {
  const random = sequence(seed + way.length)
  const b = bench({ 'a.txt': 'none\n', 'c.txt': 'none\n', 'd/e.txt': 'none\n' })
  for (let round = 0; round < rounds; round++) {
    const words = [LOCAL, b.repo, b.stateDir, way]
    await killed(words, Math.floor(random() * LIFE_MS_MAX))
    await swept(b)
    expectWhole(b, `${way}, round ${round}, seed ${seed}`)
    // An apply that nobody took back is there whole; the next child begins from the commit.
    b.git('reset', '--quiet', '--hard')
  }
}

/** `way` is how commits come in: `fetch` or `upload`, with clean-up between. */
export async function killIntake(way: string, { rounds, seed }: Rounds): Promise<void> {
  const random = sequence(seed + way.length)
  const b = bench({ 'a.txt': 'none\n' })
  await using server = await gitServer({ root: b.dir })
  const url = `https://git.test:${server.port}/public/repo`
  for (let round = 0; round < rounds; round++) {
    const words = [ELSEWHERE, b.repo, b.stateDir, way, url, server.authorities]
    await killed(words, Math.floor(random() * INTAKE_MS_MAX))
    await swept(b)
    expectKeptWhole(b, `${way}, round ${round}, seed ${seed}`)
  }
}

async function killed(words: readonly string[], afterMs: number): Promise<void> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint += String(chunk)))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended])
  await Promise.race([sleep(afterMs), ended])
  child.kill('SIGKILL')
  await ended
  expect(complaint.replaceAll(/^.*Warning.*$/gm, '').trim()).toBe('')
}

/** As a start does; processes of git that outlive their parent may keep it from the first attempt. */
async function swept(b: Bench): Promise<void> {
  for (let left = 50; ; left--) {
    await sleep(100)
    const { failed } = await b.workspaces.sweep(() => false)
    if (failed.length === 0) return
    if (left === 0) throw new Error(`Cannot sweep: ${String(failed[0]?.error)}`)
  }
}

function expectWhole(b: Bench, where: string): void {
  const words = new Set(
    ['a.txt', 'c.txt', 'd/e.txt'].map((name) => fs.readFileSync(path.join(b.repo, name), 'utf8')),
  )
  expect(words.size, where).toBe(1)
  const ofBranch = b.git('show', 'HEAD:a.txt')
  // A merge is there with its branch; what is applied may be there without.
  if (!words.has(ofBranch)) expect(b.git('diff', '--cached', '--name-only'), where).toBe('')
  else expect(b.git('status', '--porcelain'), where).toBe('')
  expect(b.git('fsck', '--no-dangling'), where).toBe('')
  const names = fs.readdirSync(path.join(b.repo, '.git'), { recursive: true, encoding: 'utf8' })
  const left = /\.lock$|^worktrees\/|openexec-apply/
  expect(
    names.filter((name) => left.test(name)),
    where,
  ).toEqual([])
  expect(fs.readdirSync(path.join(b.stateDir, 'work')), where).toEqual([])
}

/** Nothing half checked counts, nothing of a killed process is left, and every ref has all it needs. */
function expectKeptWhole({ stateDir }: Bench, where: string): void {
  const sources = path.join(stateDir, 'sources')
  for (const id of fs.existsSync(sources) ? fs.readdirSync(sources) : []) {
    if (!/^[0-9a-f]{32}$/.test(id)) continue
    const gitDir = path.join(sources, id, '.git')
    const names = fs.readdirSync(gitDir, { recursive: true, encoding: 'utf8' })
    const left = names.filter((name) => /incoming|tmp_|\.lock$/.test(name))
    expect(left, where).toEqual(left.filter((name) => name === 'openexec-fetch.lock'))
    const git = (...args: string[]) => gitIn(gitDir, '--git-dir', gitDir, ...args)
    expect(git('rev-list', '--objects', '--all', '--quiet'), where).toBe('')
    expect(git('fsck', '--no-dangling'), where).toBe('')
  }
}

/** Numbers from 0 to 1, the same for the same seed. */
function sequence(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
