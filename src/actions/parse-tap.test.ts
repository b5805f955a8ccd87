import { expect, test } from 'vitest'
import { parseTap } from './parse-tap.ts'

const names = (text: string) =>
  parseTap(text)?.map(({ suite, name, status }) => [suite, name, status])

test('parseTap() reads flat results with directives', () => {
  const text =
    'TAP version 13\n1..4\nok 1 - adds\nnot ok 2 - divides\nok 3 - later # SKIP no\nnot ok 4 - soon # TODO\n'
  expect(names(text)).toEqual([
    ['', 'adds', 'passed'],
    ['', 'divides', 'failed'],
    ['', 'later', 'skipped'],
    ['', 'soon', 'skipped'],
  ])
})

test('parseTap() counts leaves of nested subtests once', () => {
  const text = [
    'TAP version 13',
    '# Subtest: math',
    '    # Subtest: adds',
    '    ok 1 - adds',
    '    # Subtest: divides',
    '        # Subtest: by zero',
    '        not ok 1 - by zero',
    '        1..1',
    '    not ok 2 - divides',
    '    1..2',
    'not ok 1 - math',
    '1..1',
  ].join('\n')
  expect(names(text)).toEqual([
    ['math', 'adds', 'passed'],
    ['math > divides', 'by zero', 'failed'],
  ])
})

test('parseTap() takes ordinary text for no report', () => {
  expect(parseTap('ok then\nall good')).toBeUndefined()
  expect(parseTap('')).toBeUndefined()
})

test.each([
  ['blanks before a line separator', `1..1\nok${' '.repeat(4000)}x\u2028y`],
  ['one endless line', `1..1\nok ${' '.repeat(2_000_000)}\u2028x`],
  ['a subtest of blanks', `# Subtest${' '.repeat(1_000_000)}x\u2028y`],
  ['many results', `1..1\n${'ok 1 - a\n'.repeat(400_000)}`],
  [
    'deep subtests with long names',
    `${Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}# Subtest: ${'n'.repeat(100)}${i}`).join('\n')}\n${`${' '.repeat(2500)}ok 1 - a\n`.repeat(2000)}1..1`,
  ],
])('parseTap() is quick on %s', (_name, text) => {
  const started = performance.now()
  expect((parseTap(text) ?? []).length).toBeLessThanOrEqual(50_000)
  expect(performance.now() - started).toBeLessThan(10_000)
})
