import { expect, test } from 'vitest'
import { parseRepoPath, repoPath, workspacePath } from './repo-path.ts'

test.each([
  ['src/a.ts', 'src/a.ts'],
  ['./src//a.ts', 'src/a.ts'],
  ['src/./a.ts/', 'src/a.ts'],
  ['', '.'],
  ['.', '.'],
  ['.gitignore', '.gitignore'],
  ['.github/x.yml', '.github/x.yml'],
  ['a b/ü', 'a b/ü'],
])('parseRepoPath() makes "%s" canonical', (text, path) => {
  expect(parseRepoPath(text)).toEqual({ ok: true, path })
})

test.each([
  '/etc/passwd',
  '~/.ssh/id_rsa',
  'C:\\x',
  '..',
  'a/../../b',
  'a/..',
  '.git/config',
  'sub/.git',
  '.GIT/hooks/x',
  '.git./x',
  '.git /x',
  '.g\u200Cit/config',
  'git~1/config',
  '.git:stream',
  'a\0b',
  'a\nb',
  '\uD800',
  'x'.repeat(300),
  `${'a/'.repeat(3000)}b`,
])('parseRepoPath() refuses %j', (text) => {
  expect(parseRepoPath(text)).toMatchObject({ ok: false })
})

test('workspacePath() lies in the workspace', () => {
  expect(workspacePath('src/a.ts')).toBe('/workspace/src/a.ts')
  expect(workspacePath('.')).toBe('/workspace')
})

test('repoPath() throws what parseRepoPath() refuses', () => {
  expect(repoPath('./a')).toBe('a')
  expect(() => repoPath('../a')).toThrow(/Cannot use path "..\/a": it leaves/)
})
