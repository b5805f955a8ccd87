/**
 * docs/escape-corpus.md shows the corpus as it is. Written anew with OPENEXEC_WRITE_GOLDEN=1; where
 * attempts were added, after test/escape/corpus.test.ts has measured their controls in the same way.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CORPUS, PROVEN_MIN } from '../escape/corpus.ts'
import { CONTROLS_FILE, escapeDocument, MeasuredControls } from '../escape/document.ts'

const DOCUMENT = 'docs/escape-corpus.md'
const measured = MeasuredControls.parse(JSON.parse(readFileSync(CONTROLS_FILE, 'utf8')))

test('docs/escape-corpus.md shows the corpus as it is', () => {
  const document = escapeDocument(CORPUS, measured)
  if (process.env['OPENEXEC_WRITE_GOLDEN'] === '1') writeFileSync(DOCUMENT, document)
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(document)
})

test('no two attempts of the corpus have one name', () => {
  const names = CORPUS.map(({ what }) => what)
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
})

test('the corpus has enough attempts whose control was seen to work', () => {
  const names = new Set(CORPUS.map(({ what }) => what))
  expect(Object.keys(measured.absent).filter((name) => !names.has(name))).toEqual([])
  expect(CORPUS.length - Object.keys(measured.absent).length).toBeGreaterThanOrEqual(PROVEN_MIN)
})
