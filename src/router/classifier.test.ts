import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { classify } from './classifier.ts'
import { TRAINED_ON } from './weights.ts'

/** None of them is among the labelled requests. */
const UNSEEN: readonly (readonly [kind: string, text: string])[] = [
  ['question', 'How is the order of middleware determined?'],
  ['question', 'What does createPool return when the limit is zero'],
  ['question', 'Could you summarize what the auth package does'],
  ['question', 'Why do we keep two copies of the schema?'],
  ['question', 'Is the parser thread safe?'],
  ['question', 'where is the currency conversion done'],
  ['bugfix', 'Fix the wrong currency symbol on receipts'],
  ['bugfix', 'Calling stop() before start() crashes the process'],
  ['bugfix', 'IndexError in paginate when the page is past the end'],
  ['bugfix', 'The avatar is rotated incorrectly after upload'],
  ['bugfix', 'Messages are delivered twice when the broker reconnects'],
  ['bugfix', 'Repair the import of files with a byte order mark'],
  ['change', 'Add a --verbose option to the sync command'],
  ['change', 'Refactor OrderService to use the repository pattern'],
  ['change', 'Remove the unused feature flags'],
  ['change', 'Replace axios with fetch in the client'],
  ['change', 'Implement soft delete for projects'],
  ['change', 'Write unit tests for the tax calculator'],
  ['ci_failure', 'The build has been red since the last merge'],
  ['ci_failure', 'Workflow lint.yml fails on every pull request'],
  ['ci_failure', 'CI pipeline times out in the test job'],
  ['ci_failure', 'Nightly job is failing with exit code 2'],
  ['check', 'Run the unit tests please'],
  ['check', 'execute the linters and tests'],
  ['check', 'Verify that all tests pass'],
  ['other', 'Sing me a song'],
  ['other', 'Push everything to production now'],
  ['other', 'hello there'],
]

test('classify() is right on most requests it was not trained on, and sure of few that are wrong', () => {
  const judged = UNSEEN.map(([kind, text]) => ({ kind, text, ...classify(text) }))
  const wrong = judged.filter(({ kind, candidates }) => candidates[0]?.kind !== kind)
  expect(wrong.length / judged.length).toBeLessThan(0.2)
  const surelyWrong = wrong.filter(({ isSure }) => isSure)
  expect(surelyWrong.map(({ text }) => text).length).toBeLessThanOrEqual(2)
  // What only wants an answer is never taken for work.
  const asked = judged.filter(({ kind, isSure }) => kind === 'question' && isSure)
  expect(asked.filter(({ candidates }) => candidates[0]?.kind !== 'question')).toEqual([])
})

test('classify() has weights of the labelled requests that are there', () => {
  const prompts = readFileSync(new URL('training/prompts.txt', import.meta.url))
  // Run `node scripts/train-router.ts` after a change of the requests.
  expect(createHash('sha256').update(prompts).digest('hex')).toBe(TRAINED_ON)
})

test('classify() is not sure of noise', () => {
  for (const text of ['', ' ', 'zxqv wkjh', '0'.repeat(50_000), '@#$%^&*'])
    expect(classify(text).candidates[0]?.kind === 'other' || !classify(text).isSure).toBe(true)
})
