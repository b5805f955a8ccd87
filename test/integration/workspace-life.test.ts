import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { diskUsage } from '../../src/workspace/index.ts'
import {
  bench,
  fingerprint,
  gitIn,
  gitInside,
  limits,
  shell,
  signal,
  write,
} from './workspace-fixture.ts'

test('create() makes a listed worktree in which git inside is clean', async () => {
  const b = bench({ 'a.txt': 'a\n', 'src/run.sh': 'echo\n', 'src/empty': '' })
  fs.chmodSync(path.join(b.repo, 'src/run.sh'), 0o755)
  fs.symlinkSync('../a.txt', path.join(b.repo, 'src/link'))
  b.git('add', '--all')
  b.git('commit', '--quiet', '--message', 'Second')
  b.git('tag', '--annotate', 'v1', '--message', 'v1')
  const workspace = await b.create()
  expect(b.git('worktree', 'list')).toContain(workspace.treeDir)
  expect(gitInside(workspace, 'status', '--porcelain').out).toBe('')
  expect(gitInside(workspace, 'describe').out).toBe('v1\n')
  expect(gitInside(workspace, 'log', '--format=%s').out).toBe('Second\nFirst\n')
  expect(gitInside(workspace, 'branch', '--show-current').out).toBe('openexec/run_one\n')
  expect(fs.readlinkSync(path.join(workspace.treeDir, 'src/link'))).toBe('../a.txt')
  expect(fs.statSync(path.join(workspace.treeDir, 'src/run.sh')).mode & 0o111).not.toBe(0)
  expect(fs.readFileSync(path.join(workspace.treeDir, '.git'), 'utf8')).toBe(
    'gitdir: /openexec/git\n',
  )
  expect((await b.snapshot(workspace)).changed).toEqual([])
})

test('create() and remove() leave the user repository byte for byte as it was', async () => {
  const b = bench({ 'a.txt': 'a\n', 'b/c.txt': 'c\n' })
  const before = fingerprint(b.repo)
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', 'changed\n')
  const { tree } = await b.snapshot(workspace)
  await b.workspaces.checkpoint(workspace.store, {
    runId: 'run_one',
    number: 1,
    tree,
    parent: workspace.baseCommit,
    signal,
  })
  const during = [...fingerprint(b.repo).keys()].filter((name) => !before.has(name))
  expect(during.every((name) => name.startsWith('.git/worktrees'))).toBe(true)
  await b.workspaces.remove(workspace.slotDir)
  expect(fingerprint(b.repo)).toEqual(before)
  expect(b.git('fsck', '--strict')).toBe('')
  expect(fs.readdirSync(path.join(b.stateDir, 'work'))).toEqual([])
})

test('snapshot() tells additions, changes, deletions, modes and kinds', async () => {
  const b = bench({ keep: 'k', change: 'c', gone: 'g', mode: 'm', kind: 'k', 'dir/file': 'f' })
  const workspace = await b.create()
  const tree = workspace.treeDir
  write(tree, 'change', 'changed')
  write(tree, 'new/deep', 'n')
  fs.rmSync(path.join(tree, 'gone'))
  fs.chmodSync(path.join(tree, 'mode'), 0o755)
  fs.rmSync(path.join(tree, 'kind'))
  fs.symlinkSync('keep', path.join(tree, 'kind'))
  fs.rmSync(path.join(tree, 'dir'), { recursive: true })
  write(tree, 'dir', 'now a file')
  const { changed, refused } = await b.snapshot(workspace)
  expect(changed.map(({ path: name, status, newMode }) => [name, status, newMode])).toEqual([
    ['change', 'modified', '100644'],
    ['dir', 'added', '100644'],
    ['dir/file', 'deleted', '000000'],
    ['gone', 'deleted', '000000'],
    ['kind', 'type_changed', '120000'],
    ['mode', 'modified', '100755'],
    ['new/deep', 'added', '100644'],
  ])
  expect(refused).toEqual([])
})

test('snapshot() sees a change of the same size and time, and none in a touched file', async () => {
  const b = bench({ 'a.txt': 'aaaa', 'b.txt': 'bbbb' })
  const workspace = await b.create()
  const file = path.join(workspace.treeDir, 'a.txt')
  const { mtime } = fs.statSync(file)
  fs.writeFileSync(file, 'AAAA')
  fs.utimesSync(file, mtime, mtime)
  fs.utimesSync(path.join(workspace.treeDir, 'b.txt'), new Date(), new Date())
  expect((await b.snapshot(workspace)).changed.map((change) => change.path)).toEqual(['a.txt'])
  fs.writeFileSync(file, 'aaaa')
  expect((await b.snapshot(workspace)).changed).toEqual([])
})

test('snapshot() obeys the ignore files of the base commit, not those the run writes', async () => {
  const b = bench({ '.gitignore': 'build/\n*.log\n', 'build.log': 'x' })
  b.git('add', '--force', 'build.log')
  b.git('commit', '--quiet', '--amend', '--no-edit')
  const workspace = await b.create()
  write(workspace.treeDir, '.gitignore', '*\n')
  write(workspace.treeDir, 'secret.ts', 'x')
  write(workspace.treeDir, 'build/out.js', 'x')
  write(workspace.treeDir, 'other.log', 'x')
  write(workspace.treeDir, 'build.log', 'tracked')
  const { changed } = await b.snapshot(workspace)
  expect(changed.map((change) => change.path)).toEqual(['.gitignore', 'build.log', 'secret.ts'])
})

test('snapshot() goes on in another process from the slot alone', async () => {
  const b = bench({ 'a.txt': 'a', 'b.txt': 'b' })
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', 'x')
  const first = await b.snapshot(workspace)
  const again = b.workspaces.open(workspace.slotDir)
  expect((await b.snapshot(again)).tree).toBe(first.tree)
  expect(again.baseCommit).toBe(workspace.baseCommit)
})

test('checkpoint() gives the same tree on the same parent the same id', async () => {
  const b = bench()
  const workspace = await b.create()
  write(workspace.treeDir, 'new', 'n')
  const { tree } = await b.snapshot(workspace)
  const parent = workspace.baseCommit
  const ids = await Promise.all(
    ['run_one', 'run_two'].map((runId) =>
      b.workspaces.checkpoint(workspace.store, { runId, number: 1, tree, parent, signal }),
    ),
  )
  expect(ids[0]).toBe(ids[1])
  const refs = gitIn(workspace.store.gitDir, 'for-each-ref', '--format=%(refname)')
  expect(refs).toContain('refs/openexec/runs/run_two/1')
})

test('restore() puts files back, keeps ignored ones and clears what is refused', async () => {
  const b = bench({ '.gitignore': 'node_modules/\n', a: 'a', 'd/x': 'x', 'd/y': 'y' })
  const workspace = await b.create()
  const tree = workspace.treeDir
  write(tree, 'node_modules/m/index.js', 'm')
  write(tree, 'a', 'changed')
  write(tree, 'new', 'n')
  fs.rmSync(path.join(tree, 'd'), { recursive: true })
  shell(tree, 'mkfifo d; mkdir -p nested/.git; touch nested/.git/HEAD; rm .git; ln -s /etc .git')
  await workspace.restore({ tree: workspace.baseTree, limits, signal })
  expect(fs.readFileSync(path.join(tree, 'a'), 'utf8')).toBe('a')
  expect(fs.readFileSync(path.join(tree, 'd/x'), 'utf8')).toBe('x')
  expect(fs.existsSync(path.join(tree, 'new'))).toBe(false)
  expect(fs.existsSync(path.join(tree, 'node_modules/m/index.js'))).toBe(true)
  expect(fs.readFileSync(path.join(tree, '.git'), 'utf8')).toBe('gitdir: /openexec/git\n')
  const { tree: after, refused } = await b.snapshot(workspace)
  expect(after).toBe(workspace.baseTree)
  expect(refused).toEqual([])
})

test('create() hides denied paths, their content and their history', async () => {
  const b = bench({ 'secrets/key': 'hunter2\n', 'src/a': 'a\n' })
  const secret = b.git('rev-parse', 'HEAD:secrets/key').trim()
  const denyRead = (name: string | Uint8Array): boolean => String(name).startsWith('secrets/')
  const workspace = await b.create({ denyRead })
  expect(workspace.history).toBe('filtered')
  expect(workspace.hiddenPaths).toBe(1)
  expect(workspace.mounts({ workspace: 'read_write', git: 'read_only' })).toHaveLength(3)
  expect(fs.existsSync(path.join(workspace.treeDir, 'secrets'))).toBe(false)
  expect(gitInside(workspace, 'status', '--porcelain').out).toBe('')
  expect(gitInside(workspace, 'show', 'HEAD:secrets/key').code).not.toBe(0)
  expect(gitInside(workspace, 'cat-file', '-e', secret).code).not.toBe(0)
  // Positive control: without the rule the very same commands show it.
  const open = await b.create({ runId: 'run_open' })
  expect(gitInside(open, 'show', 'HEAD:secrets/key').out).toBe('hunter2\n')

  write(workspace.treeDir, 'src/a', 'changed\n')
  write(workspace.treeDir, 'secrets/key', 'mine\n')
  const snapshot = await b.snapshot(workspace)
  expect(snapshot.changed.map((change) => change.path)).toEqual(['src/a'])
  expect(snapshot.refused).toMatchObject([{ path: 'secrets/key', reason: 'hidden_path' }])
  expect(gitIn(workspace.store.gitDir, 'show', `${snapshot.tree}:secrets/key`)).toBe('hunter2\n')
})

test('create() with history "head" shows one commit', async () => {
  const b = bench()
  write(b.repo, 'a.txt', 'two')
  b.git('commit', '--quiet', '--all', '--message', 'Second')
  const workspace = await b.create({ history: 'head' })
  expect(gitInside(workspace, 'log', '--format=%s').out).toBe('Second\n')
  expect(gitInside(workspace, 'status', '--porcelain').out).toBe('')
})

test.each(['sha1', 'sha256'])('create() works on a %s repository', async (format) => {
  const b = bench({ a: 'a' }, [`--object-format=${format}`])
  const workspace = await b.create()
  expect(gitInside(workspace, 'status', '--porcelain').out).toBe('')
  write(workspace.treeDir, 'a', 'b')
  expect((await b.snapshot(workspace)).changed).toHaveLength(1)
})

test('create() keeps bytes whatever the attributes say, and leaves submodules empty', async () => {
  const b = bench({
    '.gitattributes': '*.bat eol=crlf\n*.bin filter=lfs\n*.txt ident\n',
    'run.bat': 'one\ntwo\n',
    'data.bin': 'version https://git-lfs.github.com/spec/v1\n',
    'id.txt': '$Id$\n',
  })
  b.git('update-index', '--add', '--cacheinfo', `160000,${b.git('rev-parse', 'HEAD').trim()},sub`)
  b.git('commit', '--quiet', '--message', 'Submodule')
  const workspace = await b.create()
  const read = (name: string): string => fs.readFileSync(path.join(workspace.treeDir, name), 'utf8')
  expect(read('run.bat')).toBe('one\ntwo\n')
  expect(read('id.txt')).toBe('$Id$\n')
  expect(workspace.submodules).toEqual(['sub'])
  expect(fs.readdirSync(path.join(workspace.treeDir, 'sub'))).toEqual([])
  expect(gitInside(workspace, 'status', '--porcelain').out).toBe('')
  expect((await b.snapshot(workspace)).changed).toEqual([])
  write(workspace.treeDir, 'sub/file', 'x')
  expect((await b.snapshot(workspace)).refused).toMatchObject([
    { path: 'sub', reason: 'submodule_content' },
  ])
})

test('sweep() removes dead workspaces and entries, and leaves live ones', async () => {
  const b = bench()
  const live = await b.create({ runId: 'run_live' })
  const dead = await b.create({ runId: 'run_dead' })
  const lost = await b.create({ runId: 'run_lost' })
  fs.rmSync(lost.slotDir, { recursive: true })
  const swept = await b.workspaces.sweep((runId) => runId === 'run_live')
  expect(swept.removed.toSorted()).toEqual(['run_dead', 'run_lost'])
  expect(fs.existsSync(dead.slotDir)).toBe(false)
  const listed = b.git('worktree', 'list')
  expect(listed).toContain(live.treeDir)
  expect(listed.trim().split('\n')).toHaveLength(2)
})

test('remove() is quiet the second time', async () => {
  const b = bench()
  const workspace = await b.create()
  await b.workspaces.remove(workspace.slotDir)
  await b.workspaces.remove(workspace.slotDir)
  expect(b.git('worktree', 'list').trim().split('\n')).toHaveLength(1)
})

test('remove() leaves alone what is made in the same place while it is at work', async () => {
  const b = bench()
  const { slotDir } = await b.create()
  const removed = b.workspaces.remove(slotDir)
  write(slotDir, 'of-the-next-attempt', 'here')
  await removed
  expect(fs.readdirSync(slotDir)).toEqual(['of-the-next-attempt'])
  expect(fs.readdirSync(path.dirname(slotDir))).toEqual([path.basename(slotDir)])
})

test('diskUsage() counts what is allocated, and a linked file once', async () => {
  const b = bench()
  const dir = path.join(b.dir, 'used')
  write(dir, 'sub/one', Buffer.alloc(100_000, 1))
  fs.linkSync(path.join(dir, 'sub/one'), path.join(dir, 'two'))
  shell(dir, 'truncate -s 1T sparse')
  const usage = await diskUsage(dir, { limits, signal })
  expect(usage.complete).toBe(true)
  expect(usage.inodes).toBe(4)
  expect(usage.bytes).toBeGreaterThanOrEqual(100_000)
  expect(usage.bytes).toBeLessThan(1_000_000)
  const bounded = await diskUsage(dir, { limits: { ...limits, entries: 2 }, signal })
  expect(bounded.complete).toBe(false)
})
