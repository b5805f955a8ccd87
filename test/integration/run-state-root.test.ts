import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { indexHolds } from '../../src/runtime/git-index-paths.ts'
import { prepareStateRoot } from '../../src/runtime/state-root.ts'

let directory = ''
beforeEach(() => {
  directory = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'openexec-root-')))
})
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }))

const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'pipe' })
const dotGit = () => join(directory, '.git')

function write(path: string, content = 'x'): void {
  const file = join(directory, path)
  fs.mkdirSync(join(file, '..'), { recursive: true })
  fs.writeFileSync(file, content)
}

function repository(...paths: string[]): void {
  git('init', '--quiet')
  for (const path of paths) write(path)
  git('add', '--all', '--force')
}

const prepare = () => prepareStateRoot(join(directory, '.openexec'))

test('prepareStateRoot() makes a private directory that git ignores', () => {
  repository('a.txt')
  expect(prepare()).toBe(join(directory, '.openexec'))
  expect(fs.statSync(prepare()).mode & 0o777).toBe(0o700)
  expect(git('status', '--porcelain', '--ignored').toString()).toContain('!! .openexec/')
})

test('prepareStateRoot() refuses a repository that tracks the directory, and writes nothing', () => {
  repository('.openexec/openexec.db', 'a.txt')
  expect(prepare).toThrow(
    expect.objectContaining({
      code: 'repository_unsafe',
      message: expect.stringContaining('it tracks ".openexec"'),
      hint: expect.stringContaining('--state DIR'),
    }),
  )
  expect(fs.readdirSync(join(directory, '.openexec'))).toEqual(['openexec.db'])
})

test('prepareStateRoot() refuses a link that a commit brought in place of the directory', () => {
  const elsewhere = fs.mkdtempSync(join(tmpdir(), 'openexec-else-'))
  git('init', '--quiet')
  fs.symlinkSync(elsewhere, join(directory, '.openexec'))
  git('add', '--all', '--force')
  try {
    expect(prepare).toThrow(expect.objectContaining({ code: 'repository_unsafe' }))
    expect(fs.readdirSync(elsewhere)).toEqual([])
  } finally {
    fs.rmSync(elsewhere, { recursive: true })
  }
})

test('prepareStateRoot() refuses it in any case, below any directory, and when it is gone again', () => {
  repository('sub/.OpenExec/git/x')
  fs.rmSync(join(directory, 'sub'), { recursive: true })
  const below = () => prepareStateRoot(join(directory, 'sub/.openexec'))
  expect(below).toThrow(expect.objectContaining({ code: 'repository_unsafe' }))
  expect(fs.existsSync(join(directory, 'sub'))).toBe(false)
  expect(prepare()).toBe(join(directory, '.openexec'))
})

test('prepareStateRoot() lets a directory of another name be tracked', () => {
  repository('.openexec-notes/a', 'docs/.openexec/a', 'x.openexec', '.openexe')
  expect(prepare()).toBe(join(directory, '.openexec'))
})

test('prepareStateRoot() refuses a directory that everybody may write in', () => {
  git('init', '--quiet')
  fs.mkdirSync(join(directory, '.openexec'))
  fs.chmodSync(join(directory, '.openexec'), 0o777)
  expect(prepare).toThrow(expect.objectContaining({ code: 'state_unusable' }))
})

test('prepareStateRoot() says what to do where it cannot write', () => {
  write('file')
  const inFile = () => prepareStateRoot(join(directory, 'file/.openexec'))
  expect(inFile).toThrow(
    expect.objectContaining({ code: 'state_unusable', hint: expect.stringContaining('--state') }),
  )
})

const PATHS = ['.aaa', '.openexec/runs/x', 'z/long/path/below', `${'n'.repeat(5000 / 25)}/a`]

for (const version of ['2', '3', '4'])
  test(`indexHolds() reads an index of version ${version}`, () => {
    repository(...PATHS)
    // Only an extended flag makes it version 3.
    if (version === '3') git('update-index', '--skip-worktree', '.openexec/runs/x')
    else git('update-index', '--index-version', version)
    expect(fs.readFileSync(join(dotGit(), 'index')).readUInt32BE(4)).toBe(Number(version))
    expect(indexHolds(dotGit(), '.openexec')).toBe(true)
    expect(indexHolds(dotGit(), '.openexec/runs/x')).toBe(true)
    expect(indexHolds(dotGit(), 'z/long')).toBe(true)
    expect(indexHolds(dotGit(), 'z/lon')).toBe(false)
    expect(indexHolds(dotGit(), 'missing')).toBe(false)
  })

test('indexHolds() reads a repository with sha256 objects and a split index', () => {
  git('init', '--quiet', '--object-format=sha256')
  write('.openexec/a')
  git('add', '--all', '--force')
  expect(indexHolds(dotGit(), '.openexec')).toBe(true)
  expect(indexHolds(dotGit(), 'other')).toBe(false)
  git('update-index', '--split-index')
  write('b')
  git('add', 'b')
  expect(indexHolds(dotGit(), '.openexec')).toBe(true)
  expect(indexHolds(dotGit(), 'b')).toBe(true)
})

test('indexHolds() follows the pointer of a worktree', () => {
  repository('a')
  git('-c', 'user.name=t', '-c', 'user.email=t@localhost', 'commit', '--quiet', '--message=a')
  git('worktree', 'add', '--quiet', 'tree')
  write('tree/.openexec/x')
  execFileSync('git', ['add', '--force', '.openexec'], { cwd: join(directory, 'tree') })
  expect(indexHolds(join(directory, 'tree/.git'), '.openexec')).toBe(true)
  expect(indexHolds(dotGit(), '.openexec')).toBe(false)
})

test('indexHolds() takes an index it cannot read for one that holds everything', () => {
  repository('a')
  fs.writeFileSync(join(dotGit(), 'index'), 'DIRC\0\0\0\x09garbage')
  expect(indexHolds(dotGit(), '.openexec')).toBe(true)
})

test('indexHolds() finds nothing before anything was added', () => {
  git('init', '--quiet')
  expect(indexHolds(dotGit(), '.openexec')).toBe(false)
})
