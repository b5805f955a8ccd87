import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { beginMoves, openStaging, rollBack } from '../../src/workspace/apply-journal.ts'
import {
  bench,
  type Bench,
  fingerprint,
  gitFed,
  gitIn,
  shell,
  signal,
  write,
} from './workspace-fixture.ts'

/** A run's change, as trees. */
async function runThat(b: Bench, change: (tree: string) => void) {
  const workspace = await b.create()
  change(workspace.treeDir)
  const { tree } = await b.snapshot(workspace)
  const { baseTree, store } = workspace
  await b.workspaces.remove(workspace.slotDir)
  return { from: baseTree, to: tree, store, signal }
}

const FILES = { 'a.txt': 'a\n', 'b.txt': 'b\n', 'dir/c.txt': 'c\n', '.gitignore': '*.log\n' }

test('apply() writes, deletes, renames and changes modes, and nothing else', async () => {
  const b = bench(FILES)
  write(b.repo, 'b.txt', 'my own edit\n')
  write(b.repo, 'notes.log', 'ignored\n')
  const index = fs.readFileSync(path.join(b.repo, '.git/index'))
  const trees = await runThat(b, (tree) => {
    write(tree, 'a.txt', 'changed\n')
    fs.chmodSync(path.join(tree, 'a.txt'), 0o755)
    fs.renameSync(path.join(tree, 'dir/c.txt'), path.join(tree, 'c.txt'))
    write(tree, 'new/deep/file', 'n')
    fs.symlinkSync('a.txt', path.join(tree, 'link'))
  })
  expect(await b.workspaces.apply(b.repo, trees)).toEqual({ changed: 5, alreadyThere: 0 })
  expect(b.git('status', '--porcelain')).toBe(
    ' M a.txt\n M b.txt\n D dir/c.txt\n?? c.txt\n?? link\n?? new/\n',
  )
  expect(fs.readFileSync(path.join(b.repo, 'b.txt'), 'utf8')).toBe('my own edit\n')
  expect(fs.statSync(path.join(b.repo, 'a.txt')).mode & 0o111).not.toBe(0)
  expect(fs.existsSync(path.join(b.repo, 'dir'))).toBe(false)
  expect(fs.readFileSync(path.join(b.repo, '.git/index'))).toEqual(index)
  expect(fs.existsSync(path.join(b.repo, '.git/openexec-apply'))).toBe(false)
  // A second time there is nothing to do.
  expect(await b.workspaces.apply(b.repo, trees)).toEqual({ changed: 0, alreadyThere: 5 })
})

test.each<[string, (repo: string) => void, object]>([
  [
    'an edited file',
    (repo) => write(repo, 'a.txt', 'mine\n'),
    { path: 'a.txt', reason: 'changed' },
  ],
  [
    'a deleted file',
    (repo) => fs.rmSync(path.join(repo, 'a.txt')),
    { path: 'a.txt', reason: 'missing' },
  ],
  [
    'an untracked file in the way',
    (repo) => write(repo, 'new.txt', 'mine\n'),
    { path: 'new.txt', reason: 'exists' },
  ],
  [
    'an ignored file in the way',
    (repo) => write(repo, 'out.log', 'mine\n'),
    { path: 'out.log', reason: 'exists' },
  ],
  [
    'a changed mode',
    (repo) => fs.chmodSync(path.join(repo, 'a.txt'), 0o755),
    { path: 'a.txt', reason: 'changed' },
  ],
  [
    'a link for a file',
    (repo) => {
      fs.rmSync(path.join(repo, 'a.txt'))
      fs.symlinkSync('b.txt', path.join(repo, 'a.txt'))
    },
    { path: 'a.txt', reason: 'changed' },
  ],
  [
    'an edited file that is deleted',
    (repo) => write(repo, 'b.txt', 'mine\n'),
    { path: 'b.txt', reason: 'changed' },
  ],
  [
    'a directory with a file of its own',
    (repo) => {
      fs.mkdirSync(path.join(repo, 'new.txt'))
      write(repo, 'new.txt/own', 'x')
    },
    { path: 'new.txt', reason: 'exists' },
  ],
  [
    'a file for a directory',
    (repo) => write(repo, 'sub', 'x'),
    { path: 'sub/x', reason: 'not_a_directory' },
  ],
])('apply() refuses %s and touches nothing', async (_what, prepare, conflict) => {
  const b = bench(FILES)
  const trees = await runThat(b, (tree) => {
    write(tree, 'a.txt', 'changed\n')
    fs.rmSync(path.join(tree, 'b.txt'))
    write(tree, 'new.txt', 'n\n')
    write(tree, 'sub/x', 'x\n')
    // Tracked by the run in spite of the ignore file: the base has it.
    fs.writeFileSync(path.join(tree, 'zzz'), 'last')
  })
  const base = gitIn(trees.store.gitDir, 'ls-tree', trees.to).trim()
  const log = gitFed(trees.store.gitDir, 'log\n', 'hash-object', '-w', '--stdin').trim()
  const to = gitFed(trees.store.gitDir, `${base}\n100644 blob ${log}\tout.log\n`, 'mktree').trim()
  prepare(b.repo)
  const before = fingerprint(b.repo)
  await expect(b.workspaces.apply(b.repo, { ...trees, to })).rejects.toMatchObject({
    code: 'conflict',
    details: { conflicts: [conflict] },
  })
  expect(fingerprint(b.repo)).toEqual(before)
})

test('apply() keeps the line endings of a checkout that has CRLF', async () => {
  const b = bench({ 'dos.txt': 'one\ntwo\n' })
  const trees = await runThat(b, (tree) => write(tree, 'dos.txt', 'one\n2\nthree\n'))
  write(b.repo, 'dos.txt', 'one\r\ntwo\r\n')
  await b.workspaces.apply(b.repo, trees)
  expect(fs.readFileSync(path.join(b.repo, 'dos.txt'), 'utf8')).toBe('one\r\n2\r\nthree\r\n')
})

test('apply() turns a file into a directory and a directory into a file', async () => {
  const b = bench({ file: 'f', 'dir/one': '1', 'dir/two': '2' })
  const trees = await runThat(b, (tree) => {
    fs.rmSync(path.join(tree, 'file'))
    write(tree, 'file/inside', 'i')
    fs.rmSync(path.join(tree, 'dir'), { recursive: true })
    write(tree, 'dir', 'd')
  })
  await b.workspaces.apply(b.repo, trees)
  expect(fs.readFileSync(path.join(b.repo, 'file/inside'), 'utf8')).toBe('i')
  expect(fs.readFileSync(path.join(b.repo, 'dir'), 'utf8')).toBe('d')
})

test('apply() leaves everything as it was when staging fails half-way', async () => {
  const b = bench({ 'a.txt': 'a\n', 'm/keep': 'k', 'z/file': 'z\n' })
  const trees = await runThat(b, (tree) => {
    write(tree, 'a.txt', 'changed\n')
    fs.rmSync(path.join(tree, 'm/keep'))
    write(tree, 'new/file', 'n')
    write(tree, 'z/file', 'changed\n')
  })
  const before = fingerprint(b.repo)
  // An object that is missing stops the apply when the first files are staged already.
  const oid = gitIn(trees.store.gitDir, 'rev-parse', `${trees.to}:z/file`).trim()
  shell(
    trees.store.gitDir,
    'mv objects/pack packed; for pack in packed/*.pack; do git unpack-objects -q < $pack; done',
  )
  fs.rmSync(path.join(trees.store.gitDir, 'objects', oid.slice(0, 2), oid.slice(2)))
  await expect(b.workspaces.apply(b.repo, trees)).rejects.toMatchObject({
    code: 'workspace_failed',
  })
  expect(fingerprint(b.repo)).toEqual(before)
})

test('apply() undoes what a killed apply left, before it does anything', async () => {
  const b = bench({ 'a.txt': 'a\n', gone: 'g\n' })
  const trees = await runThat(b, (tree) => write(tree, 'a.txt', 'changed\n'))
  const before = fingerprint(b.repo)
  const died = spawn('true')
  await once(died, 'exit')
  const staging = path.join(b.repo, '.git/openexec-apply')
  write(staging, 'old/0', 'a\n')
  write(staging, 'old/1', 'g\n')
  fs.mkdirSync(path.join(staging, 'new'))
  write(b.repo, 'a.txt', 'half\n')
  fs.rmSync(path.join(b.repo, 'gone'))
  write(b.repo, 'made/new', 'n\n')
  const steps = [
    { path: 'a.txt', write: true },
    { path: 'gone', write: false },
    { path: 'made/new', write: true },
  ]
  write(staging, 'journal.json', JSON.stringify({ pid: died.pid, steps, makes: ['made'] }))
  await b.workspaces.apply(b.repo, { ...trees, to: trees.from })
  expect(fingerprint(b.repo)).toEqual(before)
  await b.workspaces.apply(b.repo, trees)
  expect(fs.readFileSync(path.join(b.repo, 'a.txt'), 'utf8')).toBe('changed\n')
})

test('rollBack() puts everything back from the middle of the moves', async () => {
  const b = bench({ 'a.txt': 'a\n', 'm/keep': 'k', 'z/file': 'z\n' })
  const before = fingerprint(b.repo)
  const at = (name: string): string => path.join(b.repo, name)
  const staging = await openStaging({
    root: b.repo,
    gitDir: at('.git'),
    commonDir: at('.git'),
  })
  for (const position of [0, 2, 3]) write(staging.dir, `new/${position}`, 'fresh')
  const step = (name: string, writes: boolean) => ({
    path: name,
    old: undefined,
    write: writes ? { mode: '100644', oid: '', dosLines: false } : undefined,
  })
  const steps = [
    step('a.txt', true),
    step('m/keep', false),
    step('n/file', true),
    step('z/file', true),
  ]
  beginMoves(staging, { steps, conflicts: [], makes: ['n'] }, undefined)
  for (const [position, name] of ['a.txt', 'm/keep', undefined, 'z/file'].entries()) {
    if (name !== undefined) fs.renameSync(at(name), path.join(staging.dir, `old/${position}`))
  }
  fs.rmdirSync(at('m'))
  fs.mkdirSync(at('n'))
  fs.renameSync(path.join(staging.dir, 'new/0'), at('a.txt'))
  fs.renameSync(path.join(staging.dir, 'new/2'), at('n/file'))
  await rollBack(b.repo, staging)
  expect(fingerprint(b.repo)).toEqual(before)
})

test('apply() refuses while another one is at work', async () => {
  const b = bench({ 'a.txt': 'a\n' })
  const trees = await runThat(b, (tree) => write(tree, 'a.txt', 'changed\n'))
  const staging = path.join(b.repo, '.git/openexec-apply')
  write(staging, 'journal.json', JSON.stringify({ pid: process.pid, steps: [], makes: [] }))
  await expect(b.workspaces.apply(b.repo, trees)).rejects.toThrow(/another apply is at work/)
  expect(fs.readFileSync(path.join(b.repo, 'a.txt'), 'utf8')).toBe('a\n')
})

test('diffPatch() is what `git apply` takes byte for byte, and says when it was cut', async () => {
  const b = bench({
    'a.txt': 'a\n'.repeat(50),
    'crlf.txt': 'x\r\ny\r\n',
    bin: '\u0000\u0001',
    'moved.txt': 'line\n'.repeat(20),
  })
  const trees = await runThat(b, (tree) => {
    write(tree, 'a.txt', `${'a\n'.repeat(25)}b\n${'a\n'.repeat(25)}no newline`)
    write(tree, 'crlf.txt', 'x\r\nz\r\n')
    write(tree, 'bin', Buffer.from([0, 2, 255, 10, 13]))
    fs.renameSync(path.join(tree, 'moved.txt'), path.join(tree, 'renamed.txt'))
    fs.chmodSync(path.join(tree, 'crlf.txt'), 0o755)
  })
  const { bytes, truncated } = await b.workspaces.diffPatch(trees.store, {
    ...trees,
    maxBytes: 1e6,
  })
  expect(truncated).toBe(false)
  gitFed(b.repo, bytes, 'apply', '--index', '-')
  expect(b.git('write-tree').trim()).toBe(trees.to)
  const summary = await b.workspaces.diffSummary(trees.store, trees)
  expect(summary).toEqual({ files: 4, insertions: 3, deletions: 1, binaries: 1 })
  const cut = await b.workspaces.diffPatch(trees.store, { ...trees, maxBytes: 100 })
  expect([cut.truncated, cut.bytes.length]).toEqual([true, 100])
  const stat = await b.workspaces.diffStat(trees.store, { ...trees, maxBytes: 1e6 })
  expect(stat.bytes.toString()).toContain('moved.txt => renamed.txt')
  await expect(
    b.workspaces.diffSummary(trees.store, { ...trees, to: '--output=/tmp/x' }),
  ).rejects.toMatchObject({ code: 'bad_request' })
})

test('openSource() with uncommitted changes takes them as the base and leaves the index alone', async () => {
  const b = bench({ 'a.txt': 'a\n', 'b.txt': 'b\n', 'c.txt': 'c\n', '.gitignore': '*.log\n' })
  write(b.repo, 'a.txt', 'edited\n')
  write(b.repo, 'staged.txt', 's\n')
  b.git('add', 'staged.txt')
  write(b.repo, 'untracked.txt', 'u\n')
  write(b.repo, 'x.log', 'ignored\n')
  fs.rmSync(path.join(b.repo, 'c.txt'))
  shell(b.repo, 'git init -q nested && touch nested/file; touch b.txt')
  const before = fingerprint(b.repo)
  const clean = await b.open()
  expect(clean.dirty).toEqual({ tracked: 3, untracked: 1, complete: true })
  const source = await b.open({ includeDirty: true })
  expect(fingerprint(b.repo)).toEqual(before)
  expect(source.anchor).toBe(clean.commit)
  const workspace = await b.create({ source })
  expect(fs.readdirSync(workspace.treeDir).toSorted()).toEqual([
    '.git',
    '.gitignore',
    'a.txt',
    'b.txt',
    'staged.txt',
    'untracked.txt',
  ])
  write(workspace.treeDir, 'a.txt', 'by the run\n')
  const { tree } = await b.snapshot(workspace)
  await b.workspaces.apply(b.repo, { from: source.tree, to: tree, signal })
  expect(fs.readFileSync(path.join(b.repo, 'a.txt'), 'utf8')).toBe('by the run\n')
  expect((await b.open({ includeDirty: true })).commit).not.toBe(source.commit)
})
