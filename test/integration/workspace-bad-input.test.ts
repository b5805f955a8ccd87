import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createWorkspaces } from '../../src/workspace/index.ts'
import { bench, gitFed, gitIn, shell, signal, write } from './workspace-fixture.ts'

const open = (b: ReturnType<typeof bench>, where: string, ref?: string) =>
  b.workspaces.openSource({ path: where, ref, includeDirty: false, signal })

test.each<[string, (dir: string) => string, string, RegExp]>([
  ['a missing path', (dir) => path.join(dir, 'nowhere'), 'repository_invalid', /no such directory/],
  [
    'a file',
    (dir) => (write(dir, 'file', ''), path.join(dir, 'file')),
    'repository_invalid',
    /not a directory/,
  ],
  [
    'a plain directory',
    (dir) => (fs.mkdirSync(path.join(dir, 'x')), path.join(dir, 'x')),
    'repository_invalid',
    /not a git repository/,
  ],
  [
    'a bare repository',
    (dir) => (gitIn(dir, 'init', '--quiet', '--bare', 'bare'), path.join(dir, 'bare')),
    'repository_invalid',
    /a bare repository/,
  ],
  [
    'a git directory',
    (dir) => path.join(dir, 'repo/.git'),
    'repository_invalid',
    /inside a git directory/,
  ],
  [
    'a repository without commits',
    (dir) => (gitIn(dir, 'init', '--quiet', 'empty'), path.join(dir, 'empty')),
    'repository_invalid',
    /no commits/,
  ],
  [
    'a dangling worktree',
    (dir) => (write(dir, 'w/.git', 'gitdir: /nowhere/at/all\n'), path.join(dir, 'w')),
    'repository_invalid',
    /points to "\/nowhere\/at\/all"/,
  ],
])('openSource() refuses %s', async (_what, prepare, code, message) => {
  const b = bench()
  const where = prepare(b.dir)
  const rejection = expect(open(b, where)).rejects
  await rejection.toMatchObject({ code, hint: expect.any(String) })
  await rejection.toThrow(message)
})

test.each([
  ['nope', /Cannot find ref "nope"/],
  ['--output=/tmp/x', /malformed/],
  ['-x', /malformed/],
  ['a b', /malformed/],
  ['HEAD..main', /malformed/],
  ['main@{1}', /malformed/],
  ['main\n', /malformed/],
  ['', /malformed/],
  ['x'.repeat(300), /malformed/],
  ['deadbeef'.repeat(5), /Cannot find ref/],
])('openSource() refuses ref %j', async (ref, message) => {
  const b = bench()
  await expect(open(b, b.repo, ref)).rejects.toThrow(message)
})

test('openSource() takes branches, tags, ids and parents', async () => {
  const b = bench()
  const first = b.git('rev-parse', 'HEAD').trim()
  b.git('tag', 'v1')
  b.git('commit', '--quiet', '--allow-empty', '--message', 'Second')
  for (const ref of ['v1', first, first.slice(0, 8), 'HEAD~1', 'main^']) {
    expect((await open(b, b.repo, ref)).commit).toBe(first)
  }
  fs.mkdirSync(path.join(b.repo, 'deep/er'), { recursive: true })
  const source = await open(b, path.join(b.repo, 'deep/er'))
  expect([source.root, source.branch]).toEqual([b.repo, 'main'])
})

test('openSource() refuses a repository with an extension it does not know', async () => {
  const b = bench()
  b.git('config', 'core.repositoryformatversion', '1')
  b.git('config', 'extensions.fromTheFuture', 'true')
  await expect(open(b, b.repo)).rejects.toMatchObject({
    code: 'repository_unsafe',
    message: expect.stringContaining('fromthefuture'),
  })
})

test('openSource() refuses uncommitted changes with another ref, and while a merge is open', async () => {
  const b = bench({ 'a.txt': 'a\n' })
  b.git('tag', 'v1')
  const dirty = { path: b.repo, includeDirty: true, signal }
  await expect(b.workspaces.openSource({ ...dirty, ref: 'v1' })).rejects.toMatchObject({
    code: 'bad_request',
  })
  b.git('checkout', '--quiet', '-b', 'side')
  write(b.repo, 'a.txt', 'side\n')
  b.git('commit', '--quiet', '--all', '--message', 'Side')
  b.git('checkout', '--quiet', 'main')
  write(b.repo, 'a.txt', 'main\n')
  b.git('commit', '--quiet', '--all', '--message', 'Main')
  shell(b.repo, 'git merge side || true')
  await expect(b.workspaces.openSource({ ...dirty, ref: undefined })).rejects.toMatchObject({
    code: 'repository_invalid',
    hint: expect.stringContaining('conflicts'),
  })
})

test('openSource() works from a linked worktree and leaves it listed once', async () => {
  const b = bench()
  const linked = path.join(b.dir, 'linked')
  b.git('worktree', 'add', '--quiet', '-b', 'other', linked)
  const source = await open(b, linked)
  expect([source.root, source.branch, source.commonDir]).toEqual([
    linked,
    'other',
    path.join(b.repo, '.git'),
  ])
  const workspace = await b.create({ source })
  await b.workspaces.remove(workspace.slotDir)
  expect(b.git('worktree', 'list').trim().split('\n')).toHaveLength(2)
})

test('checkGit() says when there is no git, or one too old', async () => {
  const b = bench()
  const at = (searchPath: string) =>
    createWorkspaces({ stateDir: b.stateDir, searchPath, now: () => 0 }).checkGit(signal)
  fs.mkdirSync(path.join(b.dir, 'bin'))
  await expect(at(path.join(b.dir, 'bin'))).rejects.toMatchObject({
    code: 'workspace_failed',
    message: expect.stringContaining('not installed'),
  })
  fs.writeFileSync(path.join(b.dir, 'bin/git'), '#!/bin/sh\necho git version 2.30.2\n', {
    mode: 0o755,
  })
  await expect(at(path.join(b.dir, 'bin'))).rejects.toThrow(/git 2.30.2: expected 2.39 or newer/)
})

test.each([
  ['.git/hooks/post-checkout', 'evil'],
  ['../escape', 'up'],
  ['git~1/config', 'short'],
])('create() refuses a tree with the path %s and leaves nothing behind', async (name, _what) => {
  const b = bench()
  const blob = gitFed(b.repo, 'x', 'hash-object', '-w', '--stdin').trim()
  // Git's own tools refuse to write such a tree, so its bytes are made by hand.
  const entry = (mode: string, part: string, oid: string): Buffer =>
    Buffer.concat([Buffer.from(`${mode} ${part}\0`), Buffer.from(oid, 'hex')])
  let oid = blob
  let mode = '100644'
  for (const part of name.split('/').toReversed()) {
    const args = ['hash-object', '-t', 'tree', '-w', '--stdin', '--literally']
    oid = gitFed(b.repo, entry(mode, part, oid), ...args).trim()
    mode = '40000'
  }
  const commit = b.git('commit-tree', oid, '-m', 'Evil').trim()
  const source = await open(b, b.repo, commit)
  await expect(b.create({ source })).rejects.toMatchObject({ code: 'repository_unsafe' })
  expect(fs.readdirSync(path.join(b.stateDir, 'work'))).toEqual([])
  expect(b.git('worktree', 'list').trim().split('\n')).toHaveLength(1)
  expect(fs.existsSync(path.join(b.repo, '.git/worktrees'))).toBe(false)
})

test('create() refuses a taken slot and leaves it as it is', async () => {
  const b = bench()
  const workspace = await b.create()
  await expect(b.create()).rejects.toMatchObject({ code: 'conflict' })
  expect(fs.existsSync(path.join(workspace.treeDir, 'a.txt'))).toBe(true)
})

test('create() says what a partial clone lacks, fetches nothing and leaves nothing behind', async () => {
  const b = bench({ 'a.txt': 'a\n' })
  b.git('config', 'uploadpack.allowFilter', 'true')
  const clone = path.join(b.dir, 'partial')
  gitIn(b.dir, 'clone', '--quiet', '--filter=blob:none', '--no-checkout', `file://${b.repo}`, clone)
  const source = await b.workspaces.openSource({
    path: clone,
    ref: undefined,
    includeDirty: false,
    signal,
  })
  expect(source.partial).toBe(true)
  await expect(b.create({ source })).rejects.toMatchObject({
    code: 'repository_invalid',
    hint: expect.stringContaining('partial clone'),
  })
  expect(fs.readdirSync(path.join(b.stateDir, 'work'))).toEqual([])
})

test('create() stops when it is cancelled and leaves nothing behind', async () => {
  const b = bench({ 'a.txt': 'a\n' })
  const source = await b.open()
  for (const delay of [0, 5, 15, 30]) {
    const controller = new AbortController()
    const slotDir = path.join(b.stateDir, 'work/run_x')
    const own = {
      runId: 'run_x',
      slotDir,
      uid: 0,
      gid: 0,
      denyRead: () => false,
      history: 'full' as const,
    }
    setTimeout(() => controller.abort(), delay)
    const made = b.workspaces.create({ source, ...own, signal: controller.signal })
    const error = await made.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error === undefined) await b.workspaces.remove(slotDir)
    else expect(error).toMatchObject({ code: 'cancelled' })
    expect(fs.readdirSync(path.join(b.stateDir, 'work'))).toEqual([])
    expect(b.git('worktree', 'list').trim().split('\n')).toHaveLength(1)
  }
})

test('open() names a slot without a workspace', () => {
  const b = bench()
  expect(() => b.workspaces.open(path.join(b.stateDir, 'work/none'))).toThrow(/there is none/)
})
