import { expect, test } from 'vitest'
import { fromName } from './byte-path.ts'
import { isDotGit, isDotGitmodules, unsafePath } from './dot-git.ts'

test.each([
  '.git',
  '.GiT',
  'git~1',
  'GIT~1',
  '.git.',
  '.git ',
  '.git . .',
  '.git:stream',
  'a\\.git',
  '.git\\x',
  '.g\u200cit',
  '\ufeff.git',
  '.\u202agit',
])('isDotGit() knows %j', (name) => {
  expect(isDotGit(fromName(name))).toBe(true)
})

test.each([
  'git',
  '.gitignore',
  '.github',
  'git~2',
  '.git2',
  'x.git',
  '.gitx',
  '..git',
  'café',
  'bad',
])('isDotGit() leaves %j alone', (name) => {
  expect(isDotGit(fromName(name))).toBe(false)
})

test('isDotGitmodules() knows the spellings of Windows and macOS', () => {
  for (const name of [
    '.gitmodules',
    '.GITMODULES',
    'gitmod~1',
    'GI7EBA~1',
    '.gitmodules ',
    '.g\u200citmodules',
  ]) {
    expect(isDotGitmodules(fromName(name))).toBe(true)
  }
  expect(isDotGitmodules('gitmodules')).toBe(false)
})

test('unsafePath() says what is wrong', () => {
  expect(unsafePath('a/b')).toBeUndefined()
  expect(unsafePath('a/../b')).toContain('..')
  expect(unsafePath('/etc')).toContain('empty')
  expect(unsafePath('a//b')).toContain('empty')
  expect(unsafePath('x/.GIT/hooks')).toContain('.git')
  expect(unsafePath('a\0b')).toContain('NUL')
})
