import { expect, test } from 'vitest'
import { createSyntax } from './syntax.ts'

const syntax = createSyntax()
const definitions = (path: string, text: string) => syntax.forPack()(path, text)

test.each([
  ['a.ts', 'export class A {\n  run() {\n    return 1\n  }\n}\n', ['A 1-5', 'run 2-4']],
  ['a.tsx', 'export const View = () => (\n  <p/>\n)\nlet x = 1\n', ['View 1-3', 'x 4-4']],
  ['a.py', '@cached\ndef f(a):\n    return a\n\nclass B:\n    pass\n', ['f 1-3', 'B 5-6']],
  ['a.go', 'func (s *S) Get(k string) int {\n\treturn 1\n}\n', ['Get 1-3']],
  ['a.c', 'static int *find(int a)\n{\n  return 0;\n}\n', ['find 1-4']],
  ['a.rs', 'impl Foo {\n  fn bar() {}\n}\n', ['Foo 1-3', 'bar 2-2']],
  ['a.java', 'class A {\n  void run() {\n  }\n}\n', ['A 1-4', 'run 2-3']],
])('createSyntax() sees where the definitions of %s end', async (path, text, expected) => {
  const found = await definitions(path, text)
  expect(found.map(({ name, line, end }) => `${name} ${line}-${end}`)).toEqual(expected)
})

test('createSyntax() goes by the shape of lines where it has no grammar', async () => {
  expect(await definitions('a.swift', 'func run() {\n}\n')).toEqual([
    { name: 'run', line: 1, end: undefined },
  ])
})

// The bound is counted in steps; the machine may be busy with other things.
test('createSyntax() ends on hostile files, alike every time', { timeout: 30_000 }, async () => {
  const files = [
    ['a.js', `${'('.repeat(60_000)}\nfunction late() {}\n`],
    ['b.ts', `${'a<'.repeat(40_000)}\nfunction late() {}\n`],
    ['c.py', `${'if x:\n '.repeat(10_000)}\n`],
    ['d.cpp', 'template<'.repeat(12_000)],
    ['e.js', `${'`${'.repeat(30_000)}`],
  ] as const
  const pack = syntax.forPack()
  const again = syntax.forPack()
  for (const [path, text] of files) expect(await pack(path, text)).toEqual(await again(path, text))
})
