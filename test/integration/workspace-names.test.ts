import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { bench, gitFed, gitIn, gitInside, limits, shell, signal } from './workspace-fixture.ts'

/** Names people and attackers use, as bytes. */
const NAMES: readonly string[] = [
  'plain.txt',
  'with space',
  ' leading',
  'trailing ',
  '-rf',
  '--output=x',
  '--',
  '-',
  '~',
  '$(touch marker)',
  '`id`',
  '%s%n',
  ';ls',
  '|',
  '"quoted"',
  "'single'",
  'back\\slash',
  'new\nline',
  'M 100644 x\nD y',
  'carriage\rreturn',
  'tab\there',
  'bell\u0007',
  '\u001b[31mred',
  '\u007f',
  '*',
  '?',
  '[a-z]',
  '#comment',
  '!bang',
  ':colon',
  '@{upstream}',
  'HEAD',
  'a..b',
  '...',
  'COM1',
  'caf\u00c3\u00a9',
  'bad\u00ff\u00fe',
  '\u0080',
  '\u00ef\u00bb\u00bfbom',
  '\u00e2\u0080\u00aertl',
  '.gitignore2',
  '.gitx',
  'x.git',
  'git~2',
  'x'.repeat(255),
]

function bytes(name: string): Buffer {
  return Buffer.from(name, 'latin1')
}

function at(directory: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), bytes(name)])
}

test('snapshot() and create() carry every name byte for byte', async () => {
  const b = bench()
  const first = await b.create()
  for (const name of NAMES) {
    fs.writeFileSync(at(first.treeDir, name), name, 'latin1')
    fs.mkdirSync(at(first.treeDir, `d-${name.slice(0, 200)}`))
    fs.writeFileSync(at(first.treeDir, `d-${name.slice(0, 200)}/${name}`), 'x')
  }
  const { tree, changed, refused } = await b.snapshot(first)
  expect(refused).toEqual([])
  expect(changed).toHaveLength(NAMES.length * 2)
  const listed = changed.map((change) => Buffer.from(change.bytes).toString('latin1'))
  for (const name of NAMES) expect(listed).toContain(name)
  for (const change of changed) {
    const oid = gitFed(
      b.dir,
      fs.readFileSync(at(first.treeDir, Buffer.from(change.bytes).toString('latin1'))),
      'hash-object',
      '--stdin',
    )
    expect(change.newOid).toBe(oid.trim())
  }

  const { store } = first
  const commit = await b.workspaces.checkpoint(store, {
    runId: 'run_one',
    number: 1,
    tree,
    parent: first.baseCommit,
    signal,
  })
  await b.workspaces.createBranch(b.repo, { name: 'names', commit, signal })
  expect(b.git('fsck', '--strict')).toBe('')
  const second = await b.create({ runId: 'run_two', source: await b.open({ ref: 'names' }) })
  for (const name of NAMES) {
    expect(fs.readFileSync(at(second.treeDir, name), 'latin1')).toBe(name)
  }
  expect(gitInside(second, 'status', '--porcelain', '-z').out).toBe('')
  expect((await b.snapshot(second)).changed).toEqual([])

  await b.workspaces.apply(b.repo, { from: first.baseTree, to: tree, signal })
  for (const name of NAMES) {
    expect(fs.readFileSync(at(b.repo, name), 'latin1')).toBe(name)
  }
  const patch = await b.workspaces.diffPatch(store, {
    from: first.baseTree,
    to: tree,
    maxBytes: 10_000_000,
    signal,
  })
  const clone = path.join(b.dir, 'clone')
  gitIn(b.dir, 'clone', '--quiet', '--branch', 'main', b.repo, clone)
  gitFed(clone, patch.bytes, 'apply', '--index', '-')
  expect(gitIn(clone, 'write-tree').trim()).toBe(tree)
})

test.each([
  ['.git', 'git_directory'],
  ['.GIT', 'git_directory'],
  ['.Git', 'git_directory'],
  ['git~1', 'git_directory'],
  ['GIT~1', 'git_directory'],
  ['.git ', 'git_directory'],
  ['.git...', 'git_directory'],
  ['.git::$INDEX_ALLOCATION', 'git_directory'],
  ['x\\.git', 'git_directory'],
  ['.g\u200cit', 'git_directory'],
  ['\ufeff.git', 'git_directory'],
])('snapshot() leaves out a directory named %j and says so', async (name, reason) => {
  const b = bench()
  const workspace = await b.create()
  fs.mkdirSync(path.join(workspace.treeDir, 'sub', name), { recursive: true })
  fs.writeFileSync(path.join(workspace.treeDir, 'sub', name, 'config'), 'x')
  const { changed, refused } = await b.snapshot(workspace)
  expect(changed).toEqual([])
  expect(refused).toMatchObject([{ path: `sub/${name}`, reason }])
})

test('snapshot() refuses a linked .gitmodules', async () => {
  const b = bench()
  const workspace = await b.create()
  for (const name of ['.gitmodules', '.GITMODULES', 'gitmod~1', '.gitmodules .']) {
    fs.symlinkSync('/etc/passwd', path.join(workspace.treeDir, name))
  }
  const { changed, refused } = await b.snapshot(workspace)
  expect(changed).toEqual([])
  expect(refused.map((entry) => entry.reason)).toEqual(Array(4).fill('gitmodules_link'))
})

test('snapshot() reports paths that differ by case alone', async () => {
  const b = bench({ 'Read.me': 'a' })
  const workspace = await b.create()
  fs.writeFileSync(path.join(workspace.treeDir, 'READ.me'), 'b')
  expect((await b.snapshot(workspace)).collisions).toMatchObject([{ path: 'READ.me' }])
})

test('a tree nested 5000 deep is refused by snapshot() and removed by remove()', async () => {
  const b = bench()
  const workspace = await b.create()
  const deep = `for (let i = 0; i < 5000; i++) { fs.mkdirSync('d'); process.chdir('d') }`
  execFileSync(process.execPath, ['-e', deep], { cwd: workspace.treeDir })
  shell(workspace.treeDir, `mkdir -p closed/in; touch closed/in/f; chmod 000 closed/in closed`)
  const { refused } = await b.snapshot(workspace)
  expect(refused.map((entry) => entry.reason)).toContain('too_deep')
  await b.workspaces.remove(workspace.slotDir)
  expect(fs.existsSync(workspace.slotDir)).toBe(false)
  expect(fs.readdirSync(path.dirname(workspace.slotDir))).toEqual([])
}, 90_000)

test('remove() deletes links, never what they lead to', async () => {
  const b = bench()
  const workspace = await b.create()
  fs.mkdirSync(path.join(b.dir, 'keep/sub'), { recursive: true })
  fs.writeFileSync(path.join(b.dir, 'keep/file'), 'k')
  fs.symlinkSync(path.join(b.dir, 'keep'), path.join(workspace.treeDir, 'link'))
  fs.rmSync(path.join(workspace.slotDir, 'git'), { recursive: true })
  fs.symlinkSync(path.join(b.dir, 'keep'), path.join(workspace.slotDir, 'git'))
  await b.workspaces.remove(workspace.slotDir)
  expect(fs.readFileSync(path.join(b.dir, 'keep/file'), 'utf8')).toBe('k')
  expect(fs.existsSync(path.join(b.dir, 'keep/sub'))).toBe(true)
})

test('restore() leaves names a tree can hold alone and removes those it cannot', async () => {
  const b = bench()
  const workspace = await b.create()
  for (const name of NAMES) fs.writeFileSync(at(workspace.treeDir, name), 'x')
  fs.mkdirSync(path.join(workspace.treeDir, 'git~1'))
  await workspace.restore({ tree: workspace.baseTree, limits, signal })
  expect(fs.readdirSync(workspace.treeDir).toSorted()).toEqual(['.git', 'a.txt'])
})
