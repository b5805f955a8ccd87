import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { Workspace } from '../../src/workspace/index.ts'
import {
  type Bench,
  bench,
  fingerprint,
  gitInside,
  marker,
  shell,
  signal,
  write,
} from './workspace-fixture.ts'

const at = (b: Bench, name: string): string => path.join(b.repo, name)
const read = (b: Bench, name: string): string => fs.readFileSync(at(b, name), 'utf8')

/** The files of a workspace as the commit a run is brought home as. */
async function resultOf(b: Bench, workspace: Workspace, inside?: string): Promise<string> {
  const { tree } = await b.snapshot(workspace)
  return b.workspaces.resultCommit(workspace.store, {
    runId: workspace.runId,
    baseCommit: workspace.baseCommit,
    tree,
    inside,
    message: 'Result\n',
    atMs: 1_700_000_000_000,
    signal,
  })
}

const merge = (b: Bench, commit: string) =>
  b.workspaces.merge(b.repo, { commit, message: 'Merge run\n', signal })

test('merge() moves a branch forward with files and index, keeping what else is changed', async () => {
  const b = bench({ 'a.txt': 'a\n', 'gone.txt': 'x\n', 'mine.txt': 'm\n' })
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', 'changed\n')
  write(workspace.treeDir, 'new/file.txt', 'new\n')
  fs.rmSync(path.join(workspace.treeDir, 'gone.txt'))
  const commit = await resultOf(b, workspace)
  write(b.repo, 'mine.txt', 'edited\n')
  write(b.repo, 'staged.txt', 's\n')
  b.git('add', 'staged.txt')
  const merged = await merge(b, commit)
  expect(merged).toEqual({ commit, branch: 'main', how: 'fast_forward' })
  expect(b.git('rev-parse', 'main').trim()).toBe(commit)
  expect(b.git('status', '--porcelain').split('\n').toSorted()).toEqual([
    '',
    ' M mine.txt',
    'A  staged.txt',
  ])
  expect([read(b, 'a.txt'), read(b, 'new/file.txt')]).toEqual(['changed\n', 'new\n'])
  expect(b.git('reflog', '-1', '--format=%gs', 'HEAD').trim()).toBe('openexec: merge')
  expect(fs.readdirSync(at(b, '.git')).filter((name) => name.includes('openexec'))).toEqual([])
  expect(b.git('fsck', '--strict')).toBe('')
  expect(await merge(b, commit)).toMatchObject({ how: 'already_there' })
})

test('merge() joins two histories by a merge commit, by tree and without the drivers of the repository', async () => {
  const b = bench({
    'a.txt': '1\n2\n3\n4\n5\n6\n7\n',
    '.gitattributes': '*.txt merge=evil filter=evil\n',
  })
  const evil = marker(b.dir)
  for (const hook of ['post-merge', 'reference-transaction', 'post-checkout', 'pre-merge-commit'])
    write(b.repo, `.git/hooks/${hook}`, `#!/bin/sh\n${evil.command}\n`)
  shell(b.repo, 'chmod +x .git/hooks/*')
  b.git('config', 'merge.evil.driver', evil.command)
  b.git('config', 'filter.evil.smudge', evil.script)
  b.git('config', 'filter.evil.clean', evil.script)
  b.git('config', 'user.name', 'Grace')
  b.git('config', 'user.email', 'grace@example.org')
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', '1\n2\n3\n4\n5\n6\nseven\n')
  const commit = await resultOf(b, workspace)
  write(b.repo, 'a.txt', 'one\n2\n3\n4\n5\n6\n7\n')
  shell(b.repo, 'git -c core.hooksPath=/dev/null -c filter.evil.clean=cat commit -qam mine')
  evil.clear()
  const merged = await merge(b, commit)
  expect([merged.how, evil.ran()]).toEqual(['merge_commit', false])
  expect(read(b, 'a.txt')).toBe('one\n2\n3\n4\n5\n6\nseven\n')
  expect(b.git('log', '-1', '--format=%an <%ae> %p').trim()).toMatch(
    /^Grace <grace@example.org> \w+ \w+$/,
  )
  // The same merge by hand runs what the repository names.
  shell(b.repo, `git reset -q --hard main~1; git fetch -q . && git merge ${commit} || true`)
  expect(evil.ran()).toBe(true)
})

test('merge() refuses conflicts, staged changes, an open merge and a detached head, and changes nothing', async () => {
  const b = bench({ 'a.txt': 'a\n', 'b.txt': 'b\n' })
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', 'theirs\n')
  const commit = await resultOf(b, workspace)
  const refused = async (message: RegExp): Promise<void> => {
    const before = fingerprint(b.repo)
    const merging = expect(merge(b, commit)).rejects
    await merging.toMatchObject({ code: 'conflict' })
    await merging.toThrow(message)
    const after = fingerprint(b.repo)
    for (const name of after.keys()) if (name.startsWith('.git/objects/')) after.delete(name)
    for (const name of before.keys()) if (name.startsWith('.git/objects/')) before.delete(name)
    expect(after).toEqual(before)
  }
  write(b.repo, 'a.txt', 'edited\n')
  await refused(/a\.txt.*changed/)
  b.git('add', 'a.txt')
  await refused(/a\.txt/)
  shell(b.repo, 'echo a > a.txt')
  await refused(/a\.txt/)
  b.git('add', 'a.txt')
  write(b.repo, '.git/MERGE_HEAD', `${commit}\n`)
  await refused(/MERGE_HEAD/)
  fs.rmSync(at(b, '.git/MERGE_HEAD'))
  write(b.repo, '.git/index.lock', '')
  await refused(/index\.lock/)
  fs.rmSync(at(b, '.git/index.lock'))
  b.git('checkout', '--quiet', '--detach')
  await refused(/no branch/)
  b.git('checkout', '--quiet', 'main')
  write(b.repo, 'a.txt', 'ours\n')
  b.git('commit', '--quiet', '--all', '--message', 'Ours')
  await refused(/1 conflicts: "a\.txt"/)
})

test('merge() that is killed between its steps is undone or finished by the next one', async () => {
  const b = bench({ 'a.txt': 'a\n', 'b.txt': 'b\n' })
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', 'changed\n')
  fs.rmSync(path.join(workspace.treeDir, 'b.txt'))
  write(workspace.treeDir, 'c.txt', 'c\n')
  const commit = await resultOf(b, workspace)
  await b.workspaces.createBranch(b.repo, { name: 'there', commit, signal })
  const died = spawnSync('true').pid
  // As a process leaves it that moved files and index, but not the branch.
  const before = b.git('rev-parse', 'main').trim()
  const staging = at(b, '.git/openexec-apply')
  for (const name of ['new', 'old']) fs.mkdirSync(path.join(staging, name), { recursive: true })
  fs.copyFileSync(at(b, '.git/index'), at(b, '.git/openexec-index.old'))
  shell(b.repo, 'mv a.txt .git/openexec-apply/old/0; mv b.txt .git/openexec-apply/old/1')
  write(b.repo, 'a.txt', 'changed\n')
  write(b.repo, 'c.txt', 'c\n')
  shell(
    b.repo,
    'cp .git/index .git/openexec-index.new; GIT_INDEX_FILE=.git/openexec-index.new git read-tree -i -m main there',
  )
  shell(b.repo, 'ln .git/openexec-index.new .git/index.lock')
  fs.renameSync(at(b, '.git/index.lock'), at(b, '.git/index'))
  const steps = [
    { path: 'a.txt', write: true },
    { path: 'b.txt', write: false },
    { path: 'c.txt', write: true },
  ]
  const seals = { ref: 'refs/heads/main', to: commit }
  const journal = JSON.stringify({ pid: died, steps, makes: [], seals })
  write(staging, 'journal.json', journal)
  await b.workspaces.sweep(() => true)
  expect(b.git('status', '--porcelain', '--untracked-files=all')).toBe('')
  expect([read(b, 'a.txt'), b.git('rev-parse', 'main').trim()]).toEqual(['a\n', before])
  // The same after the branch was moved: it is done.
  await merge(b, commit)
  fs.mkdirSync(path.join(staging, 'new'), { recursive: true })
  fs.mkdirSync(path.join(staging, 'old'))
  write(staging, 'journal.json', journal)
  await b.workspaces.sweep(() => true)
  expect([b.git('status', '--porcelain'), read(b, 'a.txt')]).toEqual(['', 'changed\n'])
  expect(fs.existsSync(staging)).toBe(false)
})

test('resultCommit() takes the commits made inside with their authors, and adds what they lack', async () => {
  const b = bench({ 'a.txt': 'a\n' })
  const workspace = await b.create()
  write(workspace.treeDir, 'a.txt', 'by hand\n')
  gitInside(
    workspace,
    'commit',
    '--quiet',
    '--all',
    '--message',
    'Inside',
    '--author',
    'Eve <eve@example.org>',
  )
  const made = await workspace.collectCommits(signal)
  expect(made?.paths.map((name) => Buffer.from(name).toString())).toEqual(['a.txt'])
  expect(await resultOf(b, workspace, made?.commit)).toBe(made?.commit)
  write(workspace.treeDir, 'later.txt', 'l\n')
  const whole = await resultOf(b, workspace, made?.commit)
  expect(whole).not.toBe(made?.commit)
  await merge(b, whole)
  expect(b.git('log', '--format=%an', 'main').split('\n').slice(0, 2)).toEqual(['OpenExec', 'Eve'])
  const own = await b.workspaces.commitTree(workspace.store, {
    tree: (await b.snapshot(workspace)).tree,
    parents: [workspace.baseCommit],
    message: 'By the action\n',
    author: undefined,
    signal,
  })
  await b.workspaces.keepCommit(workspace.store, { runId: workspace.runId, commit: own, signal })
  expect(await resultOf(b, workspace)).toBe(own)
})

test('prune() forgets runs that are not kept, and nothing young or of the user', async () => {
  const b = bench({ 'a.txt': 'a\n' })
  const commits: string[] = []
  for (const runId of ['run_kept', 'run_gone']) {
    const workspace = await b.create({ runId })
    write(workspace.treeDir, 'a.txt', `${runId}\n`)
    commits.push(await resultOf(b, workspace))
    await b.workspaces.remove(workspace.slotDir)
  }
  const source = await b.open()
  const { gitDir } = source.store
  const before = fingerprint(b.repo)
  shell(gitDir, 'find objects -type f -exec touch -d "3 hours ago" {} +')
  const kept = () => ({ runs: new Set(['run_kept']), bases: new Set<string>() })
  expect(await b.workspaces.prune(kept, signal)).toMatchObject({ skipped: [] })
  const has = commits.map((commit) =>
    shell(gitDir, `git cat-file -e ${commit} && echo yes || true`),
  )
  expect(has.map((answer) => answer.trim())).toEqual(['yes', ''])
  expect(fingerprint(b.repo)).toEqual(before)
  expect(shell(gitDir, 'git fsck --connectivity-only 2>&1 || echo bad')).not.toContain('bad')
})
