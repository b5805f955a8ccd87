import { expect, test } from 'vitest'
import { compileIgnoreRules } from './ignore-rules.ts'

const rules = (text: string, below: Record<string, string> = {}) =>
  compileIgnoreRules(new Map([['', text], ...Object.entries(below)]))

test('ignores() follows patterns, directories and anchors', () => {
  const { ignores } = rules('*.log\nbuild/\n/top\ndocs/*.txt\n**/cache\na/**/z\n# no\n\\#yes\n')
  expect(ignores('x/y.log', 'file')).toBe(true)
  expect(ignores('build', 'file')).toBe(false)
  expect(ignores('build', 'directory')).toBe(true)
  expect(ignores('x/build/deep/file', 'file')).toBe(true)
  expect(ignores('top', 'file')).toBe(true)
  expect(ignores('x/top', 'file')).toBe(false)
  expect(ignores('docs/a.txt', 'file')).toBe(true)
  expect(ignores('docs/b/a.txt', 'file')).toBe(false)
  expect(ignores('p/q/cache', 'file')).toBe(true)
  expect(ignores('a/z', 'file')).toBe(true)
  expect(ignores('a/b/c/z', 'file')).toBe(true)
  expect(ignores('#yes', 'file')).toBe(true)
})

test('ignores() lets the last and the nearest rule win, but nothing out of an ignored directory', () => {
  const { ignores } = rules('*.log\n!keep.log\nout/\n!out/keep.log\n', { sub: 'x.*\n!x.log\n' })
  expect(ignores('keep.log', 'file')).toBe(false)
  expect(ignores('out/keep.log', 'file')).toBe(true)
  expect(ignores('sub/x.log', 'file')).toBe(false)
  expect(ignores('sub/x.txt', 'file')).toBe(true)
  expect(ignores('x.txt', 'file')).toBe(false)
})

test('ignores() takes any pattern and name in bounded time', () => {
  const hostile = `${'*a'.repeat(120)}b\n${'**/'.repeat(60)}x\n[[[[\n\\\n`
  const { ignores } = rules(hostile)
  const started = performance.now()
  expect(ignores('a'.repeat(255), 'file')).toBe(false)
  expect(ignores(`${'a/'.repeat(127)}b`, 'file')).toBe(false)
  expect(performance.now() - started).toBeLessThan(5_000)
})
