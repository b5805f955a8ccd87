import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { createWorkspaces, type Workspace, type Workspaces } from '../../src/workspace/index.ts'
import {
  bench,
  type Bench,
  fingerprint,
  gitIn,
  gitInside,
  limits,
  shell,
  signal,
  write,
} from './workspace-fixture.ts'

const FILES = {
  '.gitignore': '*.log\n',
  'a.txt': 'a\n',
  'src/one.txt': 'one\n',
  'src/deep/two.txt': 'two\n',
  'src/deep/er/three.txt': 'three\n',
  'docs/x.md': 'x\n',
}

const overlaid = (files: Record<string, string> = FILES) => bench(files, [], { overlay: true })
const seedsOf = (b: Bench) =>
  fs.readdirSync(path.join(b.stateDir, 'seeds')).filter((name) => /^[0-9a-f]{32}$/.test(name))
const seedTree = (b: Bench) => path.join(b.stateDir, 'seeds', seedsOf(b)[0] ?? '', 'tree')
const mountsIn = (directory: string) =>
  fs
    .readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory))
const again = (b: Bench) =>
  createWorkspaces({ stateDir: b.stateDir, searchPath: process.env['PATH'] ?? '', now: Date.now })

const seedsPruned = async (workspaces: Workspaces) =>
  (await workspaces.prune(() => ({ runs: new Set(), bases: new Set() }), signal)).seeds

describe.skipIf(process.getuid?.() !== 0)('a workspace over a shared checkout', () => {
  test('create() lays workspaces over one seed, each with changes of its own', async () => {
    const b = overlaid()
    const [first, second] = [await b.create(), await b.create({ runId: 'run_two' })]
    expect([first.files, second.files]).toEqual([{ kind: 'overlay' }, { kind: 'overlay' }])
    expect(seedsOf(b)).toHaveLength(1)
    write(first.treeDir, 'src/one.txt', 'changed')
    fs.rmSync(path.join(first.treeDir, 'docs'), { recursive: true })
    expect(fs.readFileSync(path.join(second.treeDir, 'src/one.txt'), 'utf8')).toBe('one\n')
    expect(gitInside(second, 'status', '--porcelain').out).toBe('')
    const { changed } = await b.snapshot(first)
    expect(changed.map(({ path: name, status }) => `${status} ${name}`)).toEqual([
      'deleted docs/x.md',
      'modified src/one.txt',
    ])
    expect((await b.snapshot(second)).changed).toEqual([])
  })

  test('create() writes what tells another commit from the seed, and nothing else', async () => {
    const b = overlaid()
    await b.create()
    fs.rmSync(path.join(b.repo, 'src/deep'), { recursive: true })
    write(b.repo, 'src/deep', 'a file now')
    write(b.repo, 'new/file.txt', 'new\n')
    b.git('add', '--all')
    b.git('commit', '--quiet', '--message', 'Second')
    const before = fingerprint(seedTree(b))
    const next = await b.create({ runId: 'run_two' })
    expect(next.files).toEqual({ kind: 'overlay' })
    expect(seedsOf(b)).toHaveLength(1)
    expect(fs.readFileSync(path.join(next.treeDir, 'src/deep'), 'utf8')).toBe('a file now')
    expect(gitInside(next, 'status', '--porcelain').out).toBe('')
    const { tree, changed } = await b.snapshot(next)
    expect([tree, changed]).toEqual([next.baseTree, []])
    expect(fingerprint(seedTree(b))).toEqual(before)
  })

  test('snapshot() gives the tree that a workspace with its own files gives', async () => {
    const [plain, layered] = [bench(FILES, [], { overlay: false }), overlaid()]
    const [a, o] = [await plain.create(), await layered.create()]
    const random = seeded(7)
    for (let round = 0; round < 8; round++) {
      for (const step of stepsOf(random)) for (const { treeDir } of [a, o]) shell(treeDir, step)
      const [one, two] = [await plain.snapshot(a), await layered.snapshot(o)]
      expect(two.tree).toBe(one.tree)
      expect(names(two)).toEqual(names(one))
    }
    await layered.create({ runId: 'run_two' })
    for (const [b, workspace] of [
      [plain, a],
      [layered, o],
    ] as const) {
      await workspace.restore({ tree: workspace.baseTree, limits, signal })
      expect((await b.snapshot(workspace)).changed).toEqual([])
    }
  }, 60_000)

  test('snapshot() goes on in another process from the slot alone', async () => {
    const b = overlaid()
    const workspace = await b.create()
    write(workspace.treeDir, 'src/deep/two.txt', 'changed')
    const other = again(b).open(workspace.slotDir)
    const { changed } = await other.snapshot({ baseTree: other.baseTree, limits, signal })
    expect(changed.map((change) => change.path)).toEqual(['src/deep/two.txt'])
  })

  test('snapshot() keeps the packs of the store few, and every tree readable', async () => {
    const b = overlaid()
    const workspace = await b.create()
    const trees: string[] = []
    for (let round = 0; round < 34; round++) {
      write(workspace.treeDir, 'src/one.txt', `${round}\n`)
      trees.push((await b.snapshot(workspace)).tree)
    }
    const packs = fs.readdirSync(path.join(workspace.store.gitDir, 'objects/pack'))
    expect(packs.filter((name) => name.endsWith('.pack')).length).toBeLessThan(30)
    for (const tree of trees)
      expect(gitIn(workspace.store.gitDir, 'cat-file', '-t', `${tree}:src/one.txt`)).toBe('blob\n')
  }, 120_000)

  test('snapshot() refuses a workspace whose mount is gone, which reads as if all was deleted', async () => {
    const b = overlaid()
    const workspace = await b.create()
    shell(b.dir, `umount ${workspace.treeDir}`)
    expect(fs.readdirSync(workspace.treeDir)).toEqual([])
    await expect(b.snapshot(workspace)).rejects.toMatchObject({ code: 'workspace_failed' })
  })

  test('a link to a file of the seed is written through where files are linked, not here', async () => {
    const b = overlaid()
    const workspace = await b.create()
    const before = fingerprint(seedTree(b))
    const naive = path.join(b.dir, 'naive')
    shell(b.dir, `cp -a ${seedTree(b)} source; cp -al source naive`)
    write(naive, 'a.txt', 'evil')
    expect(fs.readFileSync(path.join(b.dir, 'source/a.txt'), 'utf8')).toBe('evil')
    shell(
      workspace.treeDir,
      'ln a.txt b.txt; echo evil > b.txt; chmod 4777 src/one.txt; : > src/one.txt',
    )
    expect(fingerprint(seedTree(b))).toEqual(before)
    const { changed } = await b.snapshot(workspace)
    expect(changed.map((change) => change.path)).toEqual(['a.txt', 'b.txt', 'src/one.txt'])
  })

  test('marks of a layer mean something in a layer, and nothing where a sandbox can make them', async () => {
    const b = overlaid()
    const workspace = await b.create()
    const upper = path.join(workspace.slotDir, 'upper')
    const inside = spawnSync('mknod', ['a.txt2', 'c', '0', '0'], { cwd: workspace.treeDir })
    expect(inside.status, 'a whiteout through the mount').not.toBe(0)
    shell(workspace.treeDir, 'mkdir fresh')
    expect((await b.snapshot(workspace)).changed).toEqual([])
    // The control: beside the mount, the same device hides a file.
    const control = path.join(b.dir, 'control')
    shell(b.dir, `mkdir -p control/{upper,work,merged}; mknod control/upper/a.txt c 0 0`)
    const options = `lowerdir=${seedTree(b)},upperdir=${control}/upper,workdir=${control}/work`
    shell(b.dir, `mount -t overlay -o ${options} overlay control/merged`)
    expect(fs.existsSync(path.join(control, 'merged/a.txt'))).toBe(false)
    expect(fs.readdirSync(upper).toSorted()).toEqual(['fresh'])
  })

  test('create() never lays a run over files that policy hides from it', async () => {
    const b = overlaid({ ...FILES, 'secret/key': 'TOP' })
    await b.create()
    const denied = await b.create({
      runId: 'run_two',
      denyRead: (name) => String(name).startsWith('secret/'),
    })
    expect(denied.files).toEqual({ kind: 'overlay' })
    const below = mountsIn(denied.treeDir).map((line) => /seeds\/([0-9a-f]{32})/.exec(line)?.[1])
    const lower = path.join(b.stateDir, 'seeds', below[0] ?? '', 'tree')
    expect(fs.existsSync(path.join(seedTree(b), 'secret')) || seedsOf(b).length === 2).toBe(true)
    expect(fs.existsSync(path.join(lower, 'secret'))).toBe(false)
    expect(fs.existsSync(path.join(lower, 'a.txt'))).toBe(true)
  })

  test('create() writes files, and says why, where no layer can be had', async () => {
    const b = bench(FILES, [], { overlay: false })
    const make = async (runId: string, seeds?: Parameters<typeof createWorkspaces>[0]['seeds']) => {
      const searchPath = process.env['PATH'] ?? ''
      const one = { stateDir: b.stateDir, searchPath, now: Date.now, ...(seeds && { seeds }) }
      const at = {
        runId,
        slotDir: path.join(b.stateDir, 'work', runId),
        uid: 200_123,
        gid: 200_123,
      }
      const asked = {
        source: await b.open(),
        denyRead: undefined,
        history: 'full',
        signal,
      } as const
      return await createWorkspaces(one).create({ ...asked, ...at })
    }
    const usable = async () => ({ usable: true, why: '' })
    const away = async () => ({ usable: false, why: 'the engine is far away' })
    const why = ({ files }: Workspace) => (files.kind === 'worktree' ? files.why : files.kind)
    expect(why(await make('run_a', { entriesMin: 0, usable: away }))).toBe('the engine is far away')
    expect(why(await make('run_b', { entriesMin: 99, usable }))).toContain('fewer than 99')
    expect(why(await make('run_c'))).toBe('not asked for')
    expect(mountsIn(b.dir)).toEqual([])
  })

  test('create() leaves the slot of another run alone', async () => {
    const b = overlaid()
    const workspace = await b.create()
    write(workspace.treeDir, 'mine', 'x')
    await expect(b.create()).rejects.toMatchObject({ code: 'conflict' })
    expect(fs.readFileSync(path.join(workspace.treeDir, 'mine'), 'utf8')).toBe('x')
  })

  test('sweep() unmounts what a process left that was killed, pruneSeeds() what nobody lies over', async () => {
    const b = overlaid()
    const child = `
      import { createWorkspaces } from '${path.resolve('src/workspace/index.ts')}'
      const signal = new AbortController().signal
      const seeds = { entriesMin: 0, usable: async () => ({ usable: true, why: '' }) }
      const workspaces = createWorkspaces({ stateDir: '${b.stateDir}', searchPath: process.env.PATH, now: Date.now, seeds })
      const source = await workspaces.openSource({ path: '${b.repo}', ref: undefined, includeDirty: false, signal })
      await workspaces.create({ source, runId: 'run_dead', slotDir: '${b.stateDir}/work/run_dead', uid: 200123, gid: 200123, denyRead: undefined, history: 'full', signal })
      process.kill(process.pid, 'SIGKILL')`
    const killed = spawnSync(process.execPath, ['--input-type=module', '-e', child])
    expect(killed.signal, String(killed.stderr)).toBe('SIGKILL')
    expect(mountsIn(`${b.stateDir}/work/run_dead`)).toHaveLength(1)
    const later = createWorkspaces({
      stateDir: b.stateDir,
      searchPath: process.env['PATH'] ?? '',
      now: () => Date.now() + 30 * 24 * 3_600_000,
    })
    expect(await seedsPruned(later)).toEqual([])
    expect((await later.sweep(() => false)).removed).toEqual(['run_dead'])
    expect(mountsIn(b.dir)).toEqual([])
    const [name] = seedsOf(b)
    fs.mkdirSync(path.join(b.stateDir, 'seeds', 'left.gone'))
    expect(new Set(await seedsPruned(later))).toEqual(new Set([name, 'left.gone']))
    expect(fs.readdirSync(path.join(b.stateDir, 'seeds'))).toEqual([])
    expect(b.git('worktree', 'list').trim().split('\n')).toHaveLength(1)
  })

  test('the seed of a machine that lost power before it was on disk is not used', async () => {
    const b = overlaid()
    await b.workspaces.remove((await b.create()).slotDir)
    const seed = path.dirname(seedTree(b))
    await expect
      .poll(() => fs.existsSync(path.join(seed, 'flushed')), { timeout: 60_000 })
      .toBe(true)
    const record = path.join(seed, 'seed.json')
    const text = fs.readFileSync(record, 'utf8')
    fs.writeFileSync(record, text.replace(/"boot":"[^"]*"/, '"boot":"another"'))
    fs.rmSync(path.join(seed, 'flushed'))
    expect(await seedsPruned(again(b))).toEqual([path.basename(seed)])
  }, 90_000)
})

/** A small generator of numbers below `n`, the same for the same start. */
function seeded(start: number): (n: number) => number {
  let state = start
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

const PLACES = [
  'a.txt',
  'src',
  'src/one.txt',
  'src/deep',
  'src/deep/two.txt',
  'docs',
  'docs/x.md',
  'new',
]

/** Shell text that does the same to equal trees. */
function stepsOf(random: (n: number) => number): string[] {
  return Array.from({ length: 4 }, () => {
    const place = PLACES[random(PLACES.length)] ?? 'a.txt'
    const to = `${PLACES[random(PLACES.length)] ?? 'b'}-${random(3)}`
    const number = random(1000)
    const ways = [
      `rm -rf ${place}`,
      `[ -d ${place} ] && echo ${number} > ${place}/n${number % 5}.txt || { mkdir -p $(dirname ${place}) && echo ${number} > ${place}; }`,
      `mkdir -p ${place} && echo ${number} > ${place}/more.txt`,
      `rm -rf ${place}; mkdir -p ${place} && echo ${number} > ${place}/again`,
      `mv ${place} ${to}`,
      `[ -f ${place} ] && chmod +x ${place}`,
      `rm -rf ${place}; mkdir -p $(dirname ${place}) && ln -s ../x ${place}`,
      `cp -a ${place} ${to}`,
      `touch ${place}.log`,
    ]
    return `{ ${ways[random(ways.length)] ?? 'true'}; } 2>/dev/null; true`
  })
}

function names({ changed }: { changed: readonly { path: string; status: string }[] }): string[] {
  return changed.map((change) => `${change.status} ${change.path}`)
}
