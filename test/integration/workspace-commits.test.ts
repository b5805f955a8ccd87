import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { deflateSync } from 'node:zlib'
import { createHash } from 'node:crypto'
import type { Workspace } from '../../src/workspace/index.ts'
import {
  bench,
  fingerprint,
  gitFed,
  gitIn,
  gitInside,
  shell,
  signal,
  write,
} from './workspace-fixture.ts'

function commitInside(workspace: Workspace, message: string): string {
  gitInside(workspace, 'add', '--all')
  expect(gitInside(workspace, 'commit', '--quiet', '--message', message).code).toBe(0)
  return gitInside(workspace, 'rev-parse', 'HEAD').out.trim()
}

/** Points the run's branch to something, as the sandbox may. */
function pointTo(workspace: Workspace, oid: string): void {
  write(workspace.slotDir, 'git/refs/heads/openexec/run_one', `${oid}\n`)
}

/** A loose object with any content, valid or not. */
function plant(workspace: Workspace, type: string, content: Buffer): string {
  const bytes = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content])
  const oid = createHash('sha1').update(bytes).digest('hex')
  write(workspace.slotDir, `git/objects/${oid.slice(0, 2)}/${oid.slice(2)}`, deflateSync(bytes))
  return oid
}

test('collectCommits() brings commits out with their authors, loose or packed', async () => {
  const b = bench()
  const workspace = await b.create()
  expect(await workspace.collectCommits(signal)).toBeUndefined()
  write(workspace.treeDir, 'one', '1')
  commitInside(workspace, 'One')
  gitInside(workspace, 'gc', '--quiet')
  gitInside(workspace, 'pack-refs', '--all')
  write(workspace.treeDir, 'two', '2')
  const head = commitInside(workspace, 'Two')
  const collected = await workspace.collectCommits(signal)
  expect(collected).toMatchObject({ commit: head, count: 2, descends: true })
  const { gitDir } = workspace.store
  expect(gitIn(gitDir, 'log', '--format=%an %s', `${workspace.baseCommit}..${head}`)).toBe(
    'Ada Two\nAda One\n',
  )
  expect(
    gitIn(gitDir, 'for-each-ref', '--format=%(refname)', 'refs/openexec/runs/run_one/head'),
  ).not.toBe('')
  expect(collected?.tree).toBe((await b.snapshot(workspace)).tree)
})

test('collectCommits() tells a rewritten history apart', async () => {
  const b = bench()
  const workspace = await b.create()
  gitInside(workspace, 'checkout', '--quiet', '--orphan', 'other')
  pointTo(workspace, commitInside(workspace, 'Root'))
  expect(await workspace.collectCommits(signal)).toMatchObject({ count: 1, descends: false })
})

test('collectCommits() does not follow alternates of the sandbox, fetch does', async () => {
  const b = bench()
  const other = path.join(b.dir, 'other')
  gitIn(b.dir, 'init', '--quiet', other)
  write(other, 'secret', 'top secret')
  gitIn(other, 'add', '--all')
  gitIn(other, 'commit', '--quiet', '--message', 'Secret')
  const stolen = gitIn(other, 'rev-parse', 'HEAD').trim()
  const workspace = await b.create()
  fs.appendFileSync(
    path.join(workspace.slotDir, 'git/objects/info/alternates'),
    `${other}/.git/objects\n`,
  )
  pointTo(workspace, stolen)
  const naive = path.join(b.dir, 'naive')
  gitIn(b.dir, 'init', '--quiet', '--bare', naive)
  const url = path.join(workspace.slotDir, 'git')
  write(b.dir, 'trusting', '[safe]\n\tdirectory = *\n')
  const args = ['fetch', '--quiet', url, 'refs/heads/openexec/run_one']
  const env = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: path.join(b.dir, 'trusting') }
  const fetched = spawnSync('git', args, { cwd: naive, env, encoding: 'utf8' })
  expect(fetched.status).toBe(0)
  await expect(workspace.collectCommits(signal)).rejects.toMatchObject({ code: 'workspace_failed' })
  expect(gitIn(workspace.store.gitDir, 'for-each-ref', 'refs/openexec/runs/run_one/head')).toBe('')
})

test('collectCommits() refuses trees git would not write, and lets no object lie about its name', async () => {
  const b = bench()
  const workspace = await b.create()
  const blob = plant(workspace, 'blob', Buffer.from('#!/bin/sh\n'))
  const tree = (name: string): string =>
    plant(
      workspace,
      'tree',
      Buffer.concat([Buffer.from(`100755 ${name}\0`), Buffer.from(blob, 'hex')]),
    )
  const commit = (treeOid: string): string => {
    const text = `tree ${treeOid}\nparent ${workspace.baseCommit}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n`
    return plant(workspace, 'commit', Buffer.from(text))
  }
  for (const name of ['.git', '..', 'git~1', '.GIT']) {
    pointTo(workspace, commit(tree(name)))
    await expect(workspace.collectCommits(signal)).rejects.toMatchObject({
      code: 'workspace_failed',
    })
  }
  const good = commit(tree('fine'))
  // The same name, another content.
  const forged = deflateSync(Buffer.from('blob 4\0evil'))
  write(workspace.slotDir, `git/objects/${blob.slice(0, 2)}/${blob.slice(2)}`, forged)
  pointTo(workspace, good)
  await expect(workspace.collectCommits(signal)).rejects.toMatchObject({ code: 'workspace_failed' })
  plant(workspace, 'blob', Buffer.from('#!/bin/sh\n'))
  expect(await workspace.collectCommits(signal)).toMatchObject({ commit: good, count: 1 })
})

test('collectCommits() survives bombs, links and junk in the object directory', async () => {
  const b = bench()
  const workspace = await b.create()
  const objects = path.join(workspace.slotDir, 'git/objects')
  write(objects, `aa/${'b'.repeat(38)}`, deflateSync(Buffer.alloc(300_000_000)))
  write(objects, `aa/${'c'.repeat(38)}`, 'not zlib')
  fs.symlinkSync('/etc/passwd', path.join(objects, 'aa', 'd'.repeat(38)))
  fs.symlinkSync('/etc', path.join(objects, 'ee'))
  shell(objects, `mkfifo aa/${'e'.repeat(38)}`)
  write(workspace.treeDir, 'one', '1')
  const head = commitInside(workspace, 'One')
  expect(await workspace.collectCommits(signal)).toMatchObject({ commit: head })
})

test.each(['ref: refs/heads/main', '../../../../etc/passwd', 'zz', ''])(
  'collectCommits() takes a branch that says %j for none',
  async (text) => {
    const b = bench()
    const workspace = await b.create()
    pointTo(workspace, text)
    expect(await workspace.collectCommits(signal)).toBeUndefined()
  },
)

test('collectCommits() says why it takes none from a filtered history', async () => {
  const b = bench({ secret: 's', open: 'o' })
  const workspace = await b.create({ denyRead: (name) => name === 'secret' })
  write(workspace.treeDir, 'one', '1')
  commitInside(workspace, 'One')
  await expect(workspace.collectCommits(signal)).rejects.toThrow(/paths were hidden/)
})

test('createBranch() adds a branch and its objects, and changes nothing else', async () => {
  const b = bench()
  const workspace = await b.create()
  write(workspace.treeDir, 'new', 'n')
  const { tree } = await b.snapshot(workspace)
  const commit = await b.workspaces.commitTree(workspace.store, {
    tree,
    parents: [workspace.baseCommit],
    message: 'By the run\n',
    author: { name: 'Bob', email: 'bob@example.org', atMs: 1_700_000_000_000 },
    signal,
  })
  await b.workspaces.remove(workspace.slotDir)
  const before = fingerprint(b.repo)
  const branch = (name: string) => b.workspaces.createBranch(b.repo, { name, commit, signal })
  await branch('openexec/run_one')
  const after = fingerprint(b.repo)
  for (const [name, value] of before) expect([name, after.get(name)]).toEqual([name, value])
  expect(b.git('log', '-1', '--format=%an %ae %at %s', 'openexec/run_one')).toBe(
    'Bob bob@example.org 1700000000 By the run\n',
  )
  expect(b.git('fsck', '--strict')).toBe('')
  await expect(branch('openexec/run_one')).rejects.toMatchObject({ code: 'conflict' })
  for (const name of ['-x', 'a..b', 'a b', 'x.lock', '']) {
    await expect(branch(name)).rejects.toMatchObject({ code: 'bad_request' })
  }
})

test('commitTree() refuses an author that would break the commit', async () => {
  const b = bench()
  const { store, tree } = await b.open()
  const author = { name: 'Eve\nparent x', email: 'e@x', atMs: 0 }
  const request = { tree, parents: [], message: 'm', author, signal }
  await expect(b.workspaces.commitTree(store, request)).rejects.toMatchObject({
    code: 'bad_request',
  })
  expect(gitFed(store.gitDir, '', 'rev-list', '--all')).toBe('')
})

test('writes to a repository of somebody else belong to its owner', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('needs root')
  const b = bench()
  spawnSync('chown', ['-R', '65534:65534', b.repo])
  fs.chmodSync(b.dir, 0o755)
  const workspace = await b.create()
  write(workspace.treeDir, 'sub/new', 'n')
  const { tree } = await b.snapshot(workspace)
  const parent = workspace.baseCommit
  const checkpoint = { runId: 'run_one', number: 1, tree, parent, signal }
  const commit = await b.workspaces.checkpoint(workspace.store, checkpoint)
  await b.workspaces.createBranch(b.repo, { name: 'theirs', commit, signal })
  await b.workspaces.apply(b.repo, { from: workspace.baseTree, to: tree, signal })
  const foreign = spawnSync('find', [b.repo, '!', '-uid', '65534'], { encoding: 'utf8' })
  expect(foreign.stdout).toBe('')
  await b.workspaces.remove(workspace.slotDir)
})
