import { existsSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { RunRequest } from '../schema/index.ts'
import { storeDocument } from './documents.ts'
import { removeUnusedDocuments } from './unused-documents.ts'

test('removeUnusedDocuments() keeps what a run names, and what was asked for just now', () => {
  const root = mkdtempSync(join(tmpdir(), 'openexec-documents-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const store = (text: string) => storeDocument(root, { file: 'p.yaml', text }, 'policy.yaml')
  const [used, unused, again] = [store('used'), store('unused'), store('again')]
  for (const path of [used, unused, again]) utimesSync(dirname(path), 1, 1)
  const young = store('young')
  // The same text once more: whoever sent it is about to name it.
  expect(store('again')).toBe(again)
  // Nothing else of a request is looked at.
  const requests = [{ policyFile: used } as RunRequest]
  const removed = removeUnusedDocuments(root, { requests, before: Date.now() - 60_000 })
  expect(removed).toEqual([dirname(unused).split('/').at(-1)])
  expect([used, unused, again, young].map((path) => existsSync(path))).toEqual([
    true,
    false,
    true,
    true,
  ])
  expect(removeUnusedDocuments(join(root, 'nowhere'), { requests: [], before: 0 })).toEqual([])
})
