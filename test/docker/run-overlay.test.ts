/** Runs over a checkout they share, through the program and a real engine. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openexec, testRepository } from '../helpers/cli.ts'
import { expectNothingLeft, newestRun } from '../helpers/cli-engine.ts'
import { dockerTest } from '../helpers/docker.ts'

const BASE = ['--image', 'base', '-q']
const FILES = Object.fromEntries(
  Array.from({ length: 2_100 }, (_, i) => [`d${i % 30}/f${i}.txt`, `${i}\n`]),
)
const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0

dockerTest(
  'runs of a large repository lie over one checkout, see and change only their own, and leave no mount',
  async ({ skip }) => {
    skip(!MAY_MOUNT, 'this user may not mount')
    using repository = testRepository(FILES)
    const cwd = repository.path
    // One line of the mount table, a clean status, a pointer that stays.
    const inside = [
      'grep -c "^overlay /workspace overlay rw,nosuid,nodev" /proc/self/mounts',
      'git status --short | wc -l',
      'echo evil > .git || echo pinned',
      'echo changed > d1/f1.txt; rm -r d2; echo new > made.txt; mkfifo pipe',
    ]
    const first = await openexec(['run', ...BASE, '--', 'sh', '-c', inside.join('; ')], { cwd })
    expect(first).toMatchObject({ code: 0, stdout: '1\n0\npinned\n' })
    const id = await newestRun(cwd)
    const diff = await openexec(['diff', id, '--name-only'], { cwd })
    const gone = Object.keys(FILES).filter((name) => name.startsWith('d2/'))
    const changed = diff.stdout.trimEnd().split('\n')
    expect(new Set(changed)).toEqual(new Set(['d1/f1.txt', 'made.txt', ...gone]))

    const events = (await openexec(['events', id, '--json'], { cwd })).stdout
    expect(events).toContain('"files":"overlay"')
    const receipt = await openexec(['artifacts', 'get', id, 'receipt'], { cwd })
    expect(JSON.parse(receipt.stdout).items).toContainEqual({
      guarantee: 'workspace_files',
      requested: 'overlay',
      enforced: 'overlay',
      source: 'inside',
      status: 'enforced',
    })

    const look = ['sh', '-c', 'cat d1/f1.txt made.txt; ls -d d2 pipe; git status --short | wc -l']
    const fork = await openexec(['fork', id, '-q', '--', ...look], { cwd })
    expect(fork.stdout).toBe('changed\nnew\n0\n')
    const seeds = join(cwd, '.openexec/seeds')
    expect(readdirSync(seeds).filter((name) => /^[0-9a-f]{32}$/.test(name))).toHaveLength(1)
    expect(existsSync(join(seeds, 'usable.json'))).toBe(true)
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(cwd)
    await expectNothingLeft(repository)
  },
  300_000,
)

dockerTest('a run of a small repository has files of its own, and says why', async () => {
  using repository = testRepository({ 'a.txt': 'one\n' })
  const cwd = repository.path
  expect(await openexec(['run', ...BASE, '--', 'true'], { cwd })).toMatchObject({ code: 0 })
  const { stdout } = await openexec(['events', await newestRun(cwd), '--json'], { cwd })
  expect(stdout).toContain('"files":"worktree"')
  expect(stdout).toMatch(/"files_because":"about \d files, fewer than 2000"/)
})
