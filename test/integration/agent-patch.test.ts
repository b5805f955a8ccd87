/**
 * apply(diff(a, b), a) is b, byte for byte, with diffs made by the real git over random trees: line
 * ends of every kind, missing final newlines, byte order marks, binary files, quoted names, modes,
 * renames, additions and deletions, with context and without.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parsePatch, planEdits } from '../../src/tools/index.ts'

interface TreeFile {
  content: Buffer
  mode: 0o644 | 0o755
}
type Tree = Map<string, TreeFile>

let repo = ''
const git = (...args: string[]) =>
  execFileSync('git', ['-C', repo, '-c', 'core.autocrlf=false', ...args], { maxBuffer: 2 ** 26 })

beforeAll(() => {
  repo = mkdtempSync(join(tmpdir(), 'openexec-patch-'))
  git('init', '-q')
})
afterAll(() => rmSync(repo, { recursive: true, force: true }))

function treeOf(tree: Tree): string {
  for (const name of ['src', 'top']) rmSync(join(repo, name), { recursive: true, force: true })
  for (const [path, { content, mode }] of tree) {
    mkdirSync(dirname(join(repo, path)), { recursive: true })
    writeFileSync(join(repo, path), content)
    chmodSync(join(repo, path), mode)
  }
  git('add', '-A', '.')
  return git('write-tree').toString().trim()
}

const line = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('', 'a', 'b', '}', '  return x', '-- x', '++ y', '@@ -1 +1 @@'),
  },
  {
    weight: 2,
    arbitrary: fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\n\r\0]/g, '')),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('é ü', '日本', '\\ No newline at end of file', 'diff --git a/x b/x'),
  },
)
const eol = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r')
const text = fc
  .tuple(fc.array(fc.tuple(line, eol), { maxLength: 24 }), fc.boolean(), fc.boolean())
  .map(([lines, final, bom]) => {
    const joined = lines.map(([words, end]) => words + end).join('')
    return Buffer.from((bom ? '\uFEFF' : '') + (final ? joined : joined.replace(/[\r\n]+$/, '')))
  })
const latin = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes.map((b) => b || 1)))
const binary = fc
  .uint8Array({ minLength: 1, maxLength: 400 })
  .map((bytes) => Buffer.from([0, ...bytes]))
const content = fc.oneof(
  { weight: 8, arbitrary: text },
  { weight: 1, arbitrary: latin },
  { weight: 2, arbitrary: binary },
)
const file = fc.record({ content, mode: fc.constantFrom<0o644 | 0o755>(0o644, 0o644, 0o755) })
const paths = [
  'src/a.ts',
  'src/b c.txt',
  'src/ü"q.md',
  'src/deep/er/x',
  'top',
  'src/\\back',
] as const
const tree = fc
  .dictionary(fc.constantFrom(...paths), file, { maxKeys: 5 })
  .map((files): Tree => new Map(Object.entries(files)))

/** A second tree that shares much with the first: lines moved, dropped, added; files renamed. */
const edited = fc
  .tuple(tree, tree, fc.array(fc.nat(9), { maxLength: 12 }))
  .map(([a, other, moves]) => {
    const b: Tree = new Map([...a].map(([path, made]) => [path, { ...made }]))
    for (const [path, made] of other) if (moves.includes(path.length % 10)) b.set(path, made)
    for (const [path, made] of b) {
      const lines = made.content.toString('latin1').split('\n')
      for (const move of moves) {
        if (move % 3 === 0) lines.splice(move, 1)
        if (move % 3 === 1) lines.splice(move, 0, `new ${move}`)
        if (move % 3 === 2) lines[move] = `${lines[move] ?? ''} changed`
      }
      b.set(path, { ...made, content: Buffer.from(lines.join('\n'), 'latin1') })
    }
    const [first] = b.keys()
    const moved = first === undefined ? undefined : b.get(first)
    if (first !== undefined && moved !== undefined && moves.length > 6) {
      b.delete(first)
      b.set('src/renamed.ts', moved)
    }
    return { a, b }
  })

async function applied(patch: Uint8Array, before: Tree): Promise<Tree> {
  const parsed = parsePatch(patch, { counts: 'exact' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.rejection))
  const plan = await planEdits(parsed.value.edits, async (path) => {
    const found = before.get(path)
    if (found !== undefined) return { kind: 'file', ...found }
    const isFolder = [...before.keys()].some((other) => other.startsWith(`${path}/`))
    return isFolder ? { kind: 'other', what: 'a directory' } : { kind: 'missing' }
  })
  if (!plan.ok) throw new Error(JSON.stringify(plan.rejection))
  const after: Tree = new Map(before)
  for (const { path } of plan.value.deletes) after.delete(path)
  for (const { path, file: made } of plan.value.writes)
    after.set(path, {
      content: Buffer.from(made.content),
      mode: (made.mode & 0o100) === 0 ? 0o644 : 0o755,
    })
  return after
}

function listed(files: Tree) {
  return [...files]
    .map(([path, made]) => [path, made.mode.toString(8), made.content.toString('latin1')])
    .sort((x, y) => (String(x) < String(y) ? -1 : 1))
}

test.each([
  ['three lines of context and renames', ['-M', '-U3']],
  ['no context', ['-U0', '--no-renames']],
  ['one line of context', ['-U1', '-M30%']],
])(
  'planEdits() applies a diff of git with %s byte for byte',
  { timeout: 120_000 },
  async (_title, options) => {
    await fc.assert(
      fc.asyncProperty(edited, async ({ a, b }) => {
        const [from, to] = [treeOf(a), treeOf(b)]
        if (from === to) return
        const patch = git('diff-tree', '-p', '--binary', '--full-index', ...options, from, to)
        expect(listed(await applied(patch, a))).toEqual(listed(b))
      }),
      { numRuns: 60, seed: 20_240_501, endOnFailure: false },
    )
  },
)

test(
  'planEdits() takes back what it did when the diff is the other way round',
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(edited, async ({ a, b }) => {
        const [from, to] = [treeOf(a), treeOf(b)]
        if (from === to) return
        const back = git('diff-tree', '-p', '--binary', '--full-index', '-R', from, to)
        expect(listed(await applied(back, b))).toEqual(listed(a))
      }),
      { numRuns: 30, seed: 7 },
    )
  },
)
