import { expect, test } from 'vitest'
import { byteString } from './byte-text.ts'
import { describeRejection, type Rejection } from './edit.ts'
import { parsePatch } from './parse-patch.ts'
import { type FileState, planEdits } from './plan-edits.ts'

type Files = Record<string, string | { what: string }>
const DIR = { what: 'a directory' }
const LINK = { what: 'a symbolic link' }

function stateOf(files: Files, path: string): FileState {
  const found = files[path]
  if (found === undefined) return { kind: 'missing' }
  if (typeof found !== 'string') return { kind: 'other', ...found }
  return { kind: 'file', content: new Uint8Array(Buffer.from(found)), mode: 0o644 }
}

/** The files after the patch, or the rejection. */
async function patched(patch: string, files: Files, counts: 'exact' | 'lenient' = 'lenient') {
  const parsed = parsePatch(patch, { counts })
  if (!parsed.ok) return { rejection: parsed.rejection }
  const plan = await planEdits(parsed.value.edits, async (path) => stateOf(files, path))
  if (!plan.ok) return { rejection: plan.rejection }
  const { writes, deletes, matches } = plan.value
  return {
    writes: Object.fromEntries(
      writes.map(({ path, file }) => [path, Buffer.from(file.content).toString()]),
    ),
    modes: Object.fromEntries(writes.map(({ path, file }) => [path, file.mode])),
    deletes: deletes.map(({ path }) => path),
    tiers: matches.map(({ tier }) => tier),
  }
}

async function rejected(patch: string, files: Files, counts: 'exact' | 'lenient' = 'lenient') {
  const outcome = await patched(patch, files, counts)
  if (outcome.rejection === undefined) throw new Error(`Not rejected: ${JSON.stringify(outcome)}`)
  return outcome.rejection
}

const hunk = (body: string, head = '@@ -1,3 +1,3 @@') => `--- a/f\n+++ b/f\n${head}\n${body}`

test('planEdits() finds a hunk that has moved when it stands in one place', async () => {
  const outcome = await patched(hunk(' one\n-two\n+TWO\n three\n'), {
    f: 'x\ny\none\ntwo\nthree\n',
  })
  expect(outcome.writes).toEqual({ f: 'x\ny\none\nTWO\nthree\n' })
  expect(outcome.tiers).toEqual(['exact'])
})

test('planEdits() refuses a hunk that fits in two places, and shows both', async () => {
  const twice = 'a\nb\nc\n--\na\nb\nc\n'
  const rejection = await rejected(hunk(' a\n-b\n+B\n c\n', '@@ -40,3 +40,3 @@'), { f: twice })
  expect(rejection).toMatchObject({ code: 'ambiguous_match', file: 'f', hunk: 1 })
  expect(rejection.nearest.map(({ line }) => line)).toEqual([1, 5])
  const hinted = await patched(hunk(' a\n-b\n+B\n c\n', '@@ -5,3 +5,3 @@'), { f: twice })
  expect(hinted.writes).toEqual({ f: 'a\nb\nc\n--\na\nB\nc\n' })
})

test('planEdits() labels what it had to forgive, and keeps the style of the file', async () => {
  const crlf = await patched(hunk(' one\n-two\n+TWO\n+2b\n three\n', '@@ -1,3 +1,4 @@'), {
    f: '\uFEFFone\r\ntwo\r\nthree\r\n',
  })
  expect(crlf).toMatchObject({
    writes: { f: '\uFEFFone\r\nTWO\r\n2b\r\nthree\r\n' },
    tiers: ['eol'],
  })
  const blanks = await patched(hunk(' one\n-two\n+TWO\n three\n'), { f: 'one  \ntwo\t\nthree' })
  expect(blanks).toMatchObject({ writes: { f: 'one  \nTWO\nthree' }, tiers: ['trailing_ws'] })
  const indent = await patched(hunk(' if (x)\n-  two\n+  TWO\n three\n'), {
    f: '    if (x)\n      two\n    three\n',
  })
  expect(indent).toMatchObject({
    writes: { f: '    if (x)\n      TWO\n    three\n' },
    tiers: ['indent'],
  })
})

test('planEdits() explains a hunk that fits nowhere', async () => {
  const files = { f: 'function sum(list) {\n  let total = 1\n  return total\n}\n' }
  const rejection = await rejected(
    hunk(' function sum(list) {\n-  let total = 0\n+  let total = 2\n   return total\n'),
    files,
  )
  expect(rejection).toMatchObject({
    code: 'context_not_found',
    file: 'f',
    hunk: 1,
    first_divergent_line: 2,
    nearest: [{ line: 1, similarity: 0.67 }],
  })
  const text = describeRejection(rejection)
  expect(text).toContain('context_not_found in "f", hunk 1')
  expect(text).toContain('let total = 1')
})

test('planEdits() is all or nothing over files', async () => {
  const patch = `${hunk('-a\n+b\n', '@@ -1 +1 @@')}--- a/g\n+++ b/g\n@@ -1 +1 @@\n-nope\n+b\n`
  expect(await rejected(patch, { f: 'a\n', g: 'other\n' })).toMatchObject({ file: 'g' })
})

test('planEdits() takes a patch that is applied already for done', async () => {
  const patch = hunk(' one\n-two\n+TWO\n three\n')
  const outcome = await patched(patch, { f: 'one\nTWO\nthree\n' })
  expect(outcome).toMatchObject({ writes: {}, deletes: [], tiers: ['already_applied'] })
})

test('planEdits() adds, deletes and renames with modes', async () => {
  const patch = [
    'diff --git a/new.sh b/new.sh\nnew file mode 100755\n--- /dev/null\n+++ b/new.sh\n@@ -0,0 +1 @@\n+echo\n',
    'diff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n',
    'diff --git a/from b/to\nsimilarity index 100%\nrename from from\nrename to to\n',
    'diff --git a/x b/x\nold mode 100644\nnew mode 100755\n',
    'diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n',
  ].join('')
  const outcome = await patched(patch, { old: 'gone\n', from: 'same', x: 'x' }, 'exact')
  expect(outcome.writes).toEqual({ 'new.sh': 'echo\n', to: 'same', x: 'x', empty: '' })
  expect(outcome.modes).toMatchObject({ 'new.sh': 0o755, to: 0o644, x: 0o755 })
  expect(outcome.deletes).toEqual(['from', 'old'])
})

test.each<[string, string, Files, Rejection['code']]>([
  [
    'a path that leaves the repository',
    '--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n',
    {},
    'unsafe_path',
  ],
  [
    'an absolute path',
    '*** Begin Patch\n*** Delete File: /etc/passwd\n*** End Patch',
    {},
    'unsafe_path',
  ],
  [
    "git's directory",
    '*** Begin Patch\n*** Add File: .GIT/hooks/pre-commit\n+x\n*** End Patch',
    {},
    'unsafe_path',
  ],
  [
    'a quoted escape',
    'diff --git "a/\\056\\056/x" "b/\\056\\056/x"\nold mode 100644\nnew mode 100755\n',
    {},
    'unsafe_path',
  ],
  [
    'a name that is not UTF-8',
    'diff --git "a/\\377" "b/\\377"\nold mode 100644\nnew mode 100755\n',
    {},
    'unsafe_path',
  ],
  [
    'a new symbolic link',
    'diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n',
    {},
    'unsupported_mode',
  ],
  ['a submodule', 'diff --git a/m b/m\nnew file mode 160000\n', {}, 'unsupported_mode'],
  ['a change through a link', hunk('-a\n+b\n', '@@ -1 +1 @@'), { f: LINK }, 'not_a_file'],
  ['a change of a folder', hunk('-a\n+b\n', '@@ -1 +1 @@'), { f: DIR }, 'not_a_file'],
  [
    'a file below a file',
    '*** Begin Patch\n*** Add File: f/g\n+x\n*** End Patch',
    { f: 'x' },
    'not_a_file',
  ],
  ['a missing file', hunk('-a\n+b\n', '@@ -1 +1 @@'), {}, 'file_missing'],
  [
    'an addition over a file',
    '*** Begin Patch\n*** Add File: f\n+x\n*** End Patch',
    { f: 'y' },
    'file_exists',
  ],
  [
    'a rename over a file',
    '*** Begin Patch\n*** Update File: f\n*** Move to: g\n*** End Patch',
    { f: 'y', g: 'z' },
    'file_exists',
  ],
  [
    'a deletion of more than it knows',
    'diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n',
    { f: 'a\nb\n' },
    'base_changed',
  ],
  [
    'a binary change without content',
    'diff --git a/f b/f\nBinary files a/f and b/f differ\n',
    { f: 'x' },
    'unsupported_change',
  ],
  ['a copy', 'diff --git a/f b/g\ncopy from f\ncopy to g\n', { f: 'x' }, 'unsupported_change'],
  ['a merge diff', 'diff --cc f\nindex 1,2..3\n', {}, 'patch_syntax'],
  ['prose', 'Please change the total.', {}, 'patch_syntax'],
  ['a hunk without a file', '@@ -1 +1 @@\n-a\n+b\n', {}, 'patch_syntax'],
  ['an envelope without an end', '*** Begin Patch\n*** Add File: f\n+x\n', {}, 'patch_syntax'],
])('planEdits() refuses %s', async (_title, patch, files, code) => {
  const rejection = await rejected(patch, files)
  expect(rejection.code).toBe(code)
  expect(rejection.next_action).not.toBe('')
})

test('parsePatch() refuses wrong counts and cut patches where they must be exact', async () => {
  const files = { f: 'one\ntwo\nthree\n' }
  const wrong = hunk(' one\n-two\n+TWO\n three\n', '@@ -1,7 +1,7 @@')
  expect(await rejected(wrong, files, 'exact')).toMatchObject({ code: 'patch_syntax', file: 'f' })
  expect(await patched(wrong, files)).toMatchObject({ writes: { f: 'one\nTWO\nthree\n' } })
  const short = hunk(' one\n-two\n+TWO\n three\n', '@@ -1,2 +1,2 @@')
  expect(await rejected(short, files, 'exact')).toMatchObject({ code: 'patch_syntax' })
  expect(await patched(short, files)).toMatchObject({ writes: { f: 'one\nTWO\nthree\n' } })
})

test('parsePatch() reads the mail that git format-patch makes', async () => {
  const mail = `From 1234 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\n---\n f | 2 +-\n\ndiff --git a/f b/f\nindex 1..2 100644\n${hunk(' a\n-b\n+B\n c\n')}-- \n2.39.5\n`
  expect(await patched(mail, { f: 'a\nb\nc\n' }, 'exact')).toMatchObject({
    writes: { f: 'a\nB\nc\n' },
  })
})

test('parsePatch() reads removed and added lines that look like headers', async () => {
  const patch = hunk(' a\n--- b\n+++ B\n c\n')
  expect(await patched(patch, { f: 'a\n-- b\nc\n' }, 'exact')).toMatchObject({
    writes: { f: 'a\n++ B\nc\n' },
  })
})

test('planEdits() applies an envelope with anchors, an end of file and a move', async () => {
  const patch = `*** Begin Patch
*** Update File: src/a.py
*** Move to: src/b.py
@@ class B:
     def run(self):
-        return 1
+        return 2
@@
-end
+END
*** End of File
*** Delete File: old.txt
*** End Patch`
  const files = {
    'src/a.py':
      'class A:\n    def run(self):\n        return 1\nclass B:\n    def run(self):\n        return 1\nend\nend\n',
    'old.txt': 'x',
  }
  expect(await patched(patch, files)).toMatchObject({
    writes: {
      'src/b.py':
        'class A:\n    def run(self):\n        return 1\nclass B:\n    def run(self):\n        return 2\nend\nEND\n',
    },
    deletes: ['old.txt', 'src/a.py'],
  })
})

test('planEdits() applies search/replace blocks in any order', async () => {
  const block = (name: string, old: string, fresh: string) =>
    `${name}\n<<<<<<< SEARCH\n${old}=======\n${fresh}>>>>>>> REPLACE\n`
  const patch =
    block('f', 'c\n', 'C\n') + block('f', 'a\n', 'A\n') + block('new.txt', '', 'hello\n')
  expect(await patched(patch, { f: 'a\nb\nc\n' })).toMatchObject({
    writes: { f: 'A\nb\nC\n', 'new.txt': 'hello\n' },
  })
})

test('planEdits() stays quick on repetitive hostile input', async () => {
  const many = 'a\n'.repeat(100_000)
  const body = ' a\n'.repeat(20_000)
  const started = performance.now()
  const rejection = await rejected(hunk(`${body}-b\n+c\n`, '@@ -1,20001 +1,20001 @@'), { f: many })
  expect(rejection.code).toBe('context_not_found')
  expect(performance.now() - started).toBeLessThan(15_000)
  expect(byteString('é')).toBe('Ã©')
})
