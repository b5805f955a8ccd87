import fc from 'fast-check'
import { expect, test } from 'vitest'
import { covers, parseGlob } from './glob.ts'

function matches(pattern: string, path: string): boolean {
  const parsed = parseGlob(pattern)
  if (!parsed.ok) throw new Error(`"${pattern}": ${parsed.problem}`)
  return covers(parsed.glob, path)
}

test.each([
  ['secrets', 'secrets', true],
  ['secrets', 'secrets/a/b', true],
  ['secrets', 'secretsx', false],
  ['secrets', 'a/secrets', false],
  ['secrets/**', 'secrets', true],
  ['secrets/**', 'secrets/.hidden/x', true],
  ['**/secrets/**', 'a/b/secrets/c', true],
  ['**/*.pem', 'x.pem', true],
  ['**/*.pem', 'a/b/.pem', true],
  ['*.pem', 'a/x.pem', false],
  ['a/?', 'a/b', true],
  ['a/?', 'a/bc', false],
  ['src/*.{js,ts}', 'src/x.ts', true],
  ['src/*.{js,ts}', 'src/x.tsx', false],
  ['{a,b/{c,d}}', 'b/d/x', true],
  ['[a-c]x', 'bx', true],
  ['[!a-c]x', 'bx', false],
  ['app/(group)/x', 'app/(group)/x', true],
  ['secrets/**', 'secrets/line\nbreak', true],
  ['**/*k*y*', 'a/\u{1f511}key', true],
  ['**', '', true],
])('covers() tells whether %j covers %j: %s', (pattern, path, expected) => {
  expect(matches(pattern, path)).toBe(expected)
})

test.each([
  ['', 'empty'],
  ['/etc/passwd', 'absolute'],
  ['../x', '".."'],
  ['a/../b', '".."'],
  ['./a', '"." segment'],
  ['a/', 'ends with "/"'],
  ['a//b', 'empty segment'],
  ['!a', 'negated'],
  ['a\\*b', 'backslash'],
  ['+(a|b)', 'extended glob'],
  ['a/@(x)', 'extended glob'],
  ['a**b', 'stand alone'],
  ['a[b', 'not closed'],
  ['[[:alpha:]]', 'not known'],
  ['[z-a]', 'backwards'],
  ['{a', 'not closed'],
  ['a}', 'closes nothing'],
  ['{a}', 'two alternatives'],
  ['{1..9}', 'ranges'],
  ['{a,..}/b', 'ranges'],
  ['{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}', 'more than 64'],
  ['a\0b', 'control character'],
  ['x'.repeat(513), 'longer'],
])('parseGlob() refuses %j', (pattern, problem) => {
  const parsed = parseGlob(pattern)
  expect(parsed.ok ? 'accepted' : parsed.problem).toContain(problem)
})

/** The definition, word by word: slow, and obviously right. */
function defined(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return true
  if (first === '**') return path.some((_, i) => defined(rest, path.slice(i))) || defined(rest, [])
  return path[0] !== undefined && definedName(first, path[0]) && defined(rest, path.slice(1))
}

function definedName(pattern: string, name: string): boolean {
  if (pattern === '') return name === ''
  const [first = '', rest] = [pattern[0], pattern.slice(1)]
  if (first === '*') return Array.from(`${name}.`).some((_, i) => definedName(rest, name.slice(i)))
  return name !== '' && (first === '?' || first === name[0]) && definedName(rest, name.slice(1))
}

test('covers() agrees with the definition', () => {
  const segment = fc.constantFrom('a', 'b', 'ab', '*', '?', 'a*', '*b', 'a?b', '*a*b*', '**', '**')
  const pattern = fc.array(segment, { minLength: 1, maxLength: 5 })
  const name = fc.stringMatching(/^[ab]{1,5}$/)
  const path = fc.array(name, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(pattern, path, (glob, tree) => {
      expect(matches(glob.join('/'), tree.join('/'))).toBe(defined(glob, tree))
    }),
    { numRuns: 3000 },
  )
})

test('covers() stays quick on names made to be slow', () => {
  const before = performance.now()
  expect(matches('**/*s*e*c*x*y*z', 'sec'.repeat(1365))).toBe(false)
  expect(matches('**/a/**/a/**/a/**/b', 'a/'.repeat(2000) + 'c')).toBe(false)
  expect(performance.now() - before).toBeLessThan(2_500)
})
