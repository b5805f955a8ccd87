/** Killed at any moment, a program leaves a repository that is whole as soon as the next one starts. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type Bench, bench } from './workspace-fixture.ts'

const ROUNDS = Number(process.env['OPENEXEC_CRASH_ROUNDS'] ?? 12)
const SEED = Number(process.env['OPENEXEC_CRASH_SEED'] ?? 20261122)
/** Longest life of a child, in `ms`; a round of its work takes about half of it. */
const LIFE_MS_MAX = 900
const CHILD = fileURLToPath(new URL('./workspace-crash-child.ts', import.meta.url))

test.each(['apply', 'merge', 'prune'])(
  'kill -9 at random points of create, snapshot and %s leaves nothing half done',
  async (way) => {
    const random = sequence(SEED + way.length)
    const b = bench({ 'a.txt': 'none\n', 'c.txt': 'none\n', 'd/e.txt': 'none\n' })
    for (let round = 0; round < Math.ceil(ROUNDS / 3); round++) {
      await killed(b, { way, afterMs: Math.floor(random() * LIFE_MS_MAX) })
      await swept(b)
      expectWhole(b, `${way}, round ${round}, seed ${SEED}`)
      // An apply that nobody took back is there whole; the next child begins from the commit.
      b.git('reset', '--quiet', '--hard')
    }
  },
)

async function killed(b: Bench, { way, afterMs }: { way: string; afterMs: number }): Promise<void> {
  const child = spawn(process.execPath, [CHILD, b.repo, b.stateDir, way], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
  const gitDir = path.join(b.repo, '.git')
  const names = fs.readdirSync(gitDir, { recursive: true, encoding: 'utf8' })
  expect(
    names.filter((name) => name.endsWith('.lock')),
    where,
  ).toEqual([])
  expect(
    names.filter((name) => name.startsWith('worktrees/')),
    where,
  ).toEqual([])
  expect(
    names.filter((name) => name.includes('openexec-apply')),
    where,
  ).toEqual([])
  expect(fs.readdirSync(path.join(b.stateDir, 'work')), where).toEqual([])
}

/** Numbers from 0 to 1, the same for the same seed. */
function sequence(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
