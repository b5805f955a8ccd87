import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readHead } from './read-head.ts'

function repository() {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'openexec-head-'))
  onTestFinished(() => fs.rmSync(root, { recursive: true }))
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.org']
  const git = (...args: string[]): string =>
    String(execFileSync('git', [...identity, ...args], { cwd: root })).trim()
  git('init', '--quiet', '--initial-branch=main')
  git('commit', '--quiet', '--allow-empty', '--message', 'First')
  const gitDir = path.join(root, '.git')
  return { git, gitDir, found: { root, gitDir, commonDir: gitDir } }
}

test('readHead() reads loose, packed and detached heads as git does', () => {
  const { git, found } = repository()
  const oid = git('rev-parse', 'HEAD')
  expect(readHead(found)).toEqual({ oid, branch: 'main' })
  git('checkout', '--quiet', '-b', 'topic/ünï-1.x')
  expect(readHead(found)).toEqual({ oid, branch: 'topic/ünï-1.x' })
  git('pack-refs', '--all')
  expect(readHead(found)).toEqual({ oid, branch: 'topic/ünï-1.x' })
  git('checkout', '--quiet', '--detach')
  expect(readHead(found)).toEqual({ oid, branch: undefined })
})

test.each([
  'ref: refs/heads/none\n',
  'ref: refs/heads/../../config\n',
  'ref: refs/heads/a/./b\n',
  'ref: /etc/passwd\n',
  'ref: refs/tags/x\n',
  'deadbeef\n',
  '',
  'ref: refs/heads/' + 'x'.repeat(5000),
])('readHead() leaves %j to git', (content) => {
  const { gitDir, found } = repository()
  fs.writeFileSync(path.join(gitDir, 'HEAD'), content)
  expect(readHead(found)).toBeUndefined()
})

test('readHead() follows no link and no ref of a ref', () => {
  const { git, gitDir, found } = repository()
  git('symbolic-ref', 'refs/heads/alias', 'refs/heads/main')
  fs.writeFileSync(path.join(gitDir, 'HEAD'), 'ref: refs/heads/alias\n')
  expect(readHead(found)).toBeUndefined()
  fs.unlinkSync(path.join(gitDir, 'HEAD'))
  fs.symlinkSync('refs/heads/main', path.join(gitDir, 'HEAD'))
  expect(readHead(found)).toBeUndefined()
})
