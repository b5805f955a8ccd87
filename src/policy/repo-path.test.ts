import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodePath, displayPath, normalRepoPath, touchesGitMetadata } from './repo-path.ts'

test.each([
  ['src/a.ts', 'src/a.ts'],
  ['./src//a.ts', 'src/a.ts'],
  ['src/', 'src'],
  ['.', ''],
  ['..a/b', '..a/b'],
])('normalRepoPath() brings %j to %j', (path, expected) => {
  expect(normalRepoPath(path)).toBe(expected)
})

test.each(['', '/etc/passwd', '..', 'a/../b', 'a/..', '../x', 'a\0b', 'x'.repeat(5000)])(
  'normalRepoPath() refuses %j',
  (path) => {
    expect(normalRepoPath(path)).toBeUndefined()
  },
)

test.each([
  '.git/config',
  'a/.GIT/hooks',
  '.git',
  'git~1/x',
  '.g\u200cit/x',
  '.git. /x',
  '.git::$DATA',
])('touchesGitMetadata() sees %j', (path) => {
  expect(touchesGitMetadata(path)).toBe(true)
})

test.each(['.github/x', '.gitignore', 'git/x', 'a.git/x', 'git~x'])(
  'touchesGitMetadata() lets %j be',
  (path) => {
    expect(touchesGitMetadata(path)).toBe(false)
  },
)

test('decodePath() keeps different bytes different, whatever they are', () => {
  const bytes = fc.uint8Array({ maxLength: 12 })
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const same = Buffer.compare(a, b) === 0
      expect(decodePath(a) === decodePath(b)).toBe(same)
    }),
    { numRuns: 2000 },
  )
})

test('decodePath() keeps the text around a broken byte readable', () => {
  const path = decodePath(Buffer.concat([Buffer.from('sécrets/'), Buffer.from([0xff, 0x0a])]))
  expect(path.startsWith('sécrets/')).toBe(true)
  expect(displayPath(path)).toBe('sécrets/\\xff\\x0a')
})

test('displayPath() shows what would change a terminal or hide', () => {
  expect(displayPath('a\u001b[31m\u202eb')).toBe('a\\x1b[31m\\xe2\\x80\\xaeb')
  expect(displayPath('🔑/ü')).toBe('🔑/ü')
})
