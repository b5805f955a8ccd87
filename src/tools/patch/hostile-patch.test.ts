import { expect, test } from 'vitest'
import { applyHunks } from './apply-hunks.ts'
import type { Hunk } from './edit.ts'
import { parsePatch } from './parse-patch.ts'

test('parsePatch() is quick on a hunk header of a million marks', () => {
  const patch = `--- a/x\n+++ b/x\n@@ ${'@@ '.repeat(600_000)}\rx\n-a\n+b\n`
  const started = performance.now()
  expect(parsePatch(Buffer.from(patch), { counts: 'lenient' }).ok).toBe(true)
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('parsePatch() takes what stands between the marks of a header as its anchor', () => {
  const parsed = parsePatch(Buffer.from('--- a/x\n+++ b/x\n@@ def f(): @@ more\n-a\n+b\n'), {
    counts: 'lenient',
  })
  expect(JSON.stringify(parsed)).toContain('"anchor":"def f():"')
})

const hunkOf = (oldLines: string[]): Hunk => ({
  oldLines,
  newLines: ['other'],
  oldNoNewline: false,
  newNoNewline: false,
  hintLine: undefined,
  anchor: undefined,
  atEnd: false,
})

test('applyHunks() is quick on a block that could stand anywhere with another indentation', () => {
  const started = performance.now()
  const applied = applyHunks('x', ' a\n'.repeat(100_000), [hunkOf(Array(10_000).fill('a'))])
  expect(applied).toMatchObject({ ok: false, rejection: { code: 'ambiguous_match' } })
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('applyHunks() refuses more hunks than can be looked for in a file of that length', () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`)
  const hunks = lines.map((line) => hunkOf([line]))
  expect(applyHunks('x', lines.join('\n'), hunks)).toMatchObject({
    ok: false,
    rejection: { code: 'patch_too_large' },
  })
  expect(applyHunks('x', lines.join('\n'), hunks.slice(0, 100)).ok).toBe(true)
})
