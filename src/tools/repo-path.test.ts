import { expect, test } from 'vitest'
import { repoPath, workspacePath } from './repo-path.ts'

test.each([
  ['src/a.ts', 'src/a.ts'],
  ['./src//a.ts', 'src/a.ts'],
  ['src/./a.ts/', 'src/a.ts'],
  ['', '.'],
  ['.', '.'],
  ['.gitignore', '.gitignore'],
  ['.github/x.yml', '.github/x.yml'],
  ['a b/ü', 'a b/ü'],
])('repoPath() makes "%s" canonical', (text, path) => {
  expect(repoPath(text)).toEqual({ ok: true, path })
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
])('repoPath() refuses %j', (text) => {
  expect(repoPath(text)).toMatchObject({ ok: false })
})

test('workspacePath() lies in the workspace', () => {
  expect(workspacePath('src/a.ts')).toBe('/workspace/src/a.ts')
  expect(workspacePath('.')).toBe('/workspace')
})
