import { expect, test } from 'vitest'
import type { ModelRequest } from '../schema/index.ts'
import { classifyStatus, modelError, modelFailure, type ModelFailureClass } from './errors.ts'
import { DEFAULT_RETRY, generateWithRetry, type Retry, retryWait } from './retry.ts'
import { parseScript } from './script.ts'
import { createScriptedModel } from './scripted.ts'
import { seededRandom } from './seeded-random.ts'

const request: ModelRequest = {
  stage: 's',
  system: '',
  messages: [{ role: 'user', text: 'hi' }],
  tools: [],
  maxOutputTokens: 10,
}

function call(text: string, seed = 'seed', controller = new AbortController()) {
  const model = createScriptedModel(parseScript({ file: 's.yaml', text }), { callsBefore: 0 })
  const retries: Retry[] = []
  const outcome = generateWithRetry(model, request, {
    policy: DEFAULT_RETRY,
    signal: controller.signal,
    random: seededRandom(seed),
    sleep: async () => {},
    onRetry: (retry) => retries.push(retry) > 0,
  })
  return { outcome, retries }
}

test('generateWithRetry() retries what may pass and tells of every retry', async () => {
  const script =
    'provider: scripted\nturns: [{ reply: { error: { status: 529 }, times: 2 } }, { reply: { text: ok } }]'
  const { outcome, retries } = call(script)
  expect(await outcome).toMatchObject({ ok: true, response: { text: 'ok' } })
  expect(retries.map((retry) => [retry.attempt, retry.failure.status])).toEqual([
    [1, 529],
    [2, 529],
  ])
  const again = call(script)
  await again.outcome
  expect(again.retries).toEqual(retries)
  const other = call(script, 'another seed')
  await other.outcome
  expect(other.retries).not.toEqual(retries)
})

test('generateWithRetry() stops at its attempts', async () => {
  const { outcome, retries } = call(
    'provider: scripted\nturns: [{ reply: { error: { status: 500 }, times: 9 } }]',
  )
  expect(await outcome).toMatchObject({ ok: false, failure: { class: 'server_error' } })
  expect(retries).toHaveLength(DEFAULT_RETRY.attemptsMax - 1)
})

test('generateWithRetry() does not repeat a call that cannot succeed', async () => {
  const { outcome, retries } = call(
    'provider: scripted\nturns: [{ reply: { error: { class: quota_exhausted } } }, { reply: { text: x } }]',
  )
  expect(await outcome).toMatchObject({ ok: false, failure: { class: 'quota_exhausted' } })
  expect(retries).toEqual([])
})

test('retryWait() grows to its cap and honours what the provider asks for', () => {
  const policy = { attemptsMax: 9, baseMs: 100, capMs: 1000 }
  const failure = modelFailure('rate_limited', 'Slow down')
  const wait = (attempt: number, value = failure) =>
    retryWait(value, { attempt, policy, random: () => 0.999 })
  expect([1, 2, 3, 4, 5, 9].map((attempt) => wait(attempt))).toEqual([100, 200, 400, 799, 999, 999])
  expect(wait(1, { ...failure, retryAfterMs: 5000 })).toBe(5000)
  expect(wait(1, { ...failure, retryAfterMs: 3_600_000 })).toBeUndefined()
})

test('classifyStatus() knows every status a provider answers with', () => {
  const expected: [number, ModelFailureClass][] = [
    [400, 'bad_request'],
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [404, 'not_found'],
    [408, 'timed_out'],
    [409, 'server_error'],
    [413, 'too_large'],
    [422, 'bad_request'],
    [429, 'rate_limited'],
    [500, 'server_error'],
    [503, 'server_error'],
    [529, 'overloaded'],
  ]
  for (const [status, name] of expected) expect(classifyStatus(status)).toBe(name)
})

test('modelError() is model_failed with the class as data', () => {
  const failure = { ...modelFailure('unauthorized', 'No such key'), status: 401 }
  expect(modelError(failure, 'big')).toMatchObject({
    code: 'model_failed',
    message: 'Cannot use model "big": No such key',
    details: { class: 'unauthorized', status: 401 },
  })
})

test('generateWithRetry() makes no call that there is no room for', async () => {
  const text =
    'provider: scripted\nturns: [{ reply: { error: { class: connection_lost }, times: 9 } }]'
  const model = createScriptedModel(parseScript({ file: 's.yaml', text }), { callsBefore: 0 })
  let calls = 0
  const outcome = await generateWithRetry(
    { ...model, generate: (...args) => ((calls += 1), model.generate(...args)) },
    request,
    {
      policy: DEFAULT_RETRY,
      signal: new AbortController().signal,
      random: () => 0,
      sleep: async () => {},
      onRetry: () => false,
    },
  )
  expect([calls, outcome.ok]).toEqual([1, false])
})
