import { expect, test } from 'vitest'
import type { ModelRequest } from '../schema/index.ts'
import { parseScript } from './script.ts'
import { createScriptedModel } from './scripted.ts'

const signal = new AbortController().signal

const request: ModelRequest = {
  stage: 'implement',
  system: 'You work in a sandbox',
  messages: [
    { role: 'user', text: 'Fix the off by one in sum()' },
    {
      role: 'assistant',
      text: '',
      toolCalls: [{ id: 'a', name: 'grep', args: { pattern: 'sum' } }],
    },
    { role: 'tool', callId: 'a', name: 'grep', ok: true, text: 'src/sum.js:1:sum' },
  ],
  tools: [
    { name: 'grep', description: '', parameters: {} },
    { name: 'edit_file', description: '', parameters: {} },
  ],
  maxOutputTokens: 100,
}

function scripted(text: string, callsBefore = 0) {
  return createScriptedModel(parseScript({ file: 'script.yaml', text }), { callsBefore })
}

test('createScriptedModel() answers a turn whose expectation holds', async () => {
  const model = scripted(`
provider: scripted
price: { input: 3, output: 15 }
turns:
  - expect:
      stage: implement
      tools: [edit_file]
      last_user: { contains: off by one }
      last_tool: { name: grep, ok: true, contains: [sum.js, sum] }
      system: { contains: sandbox, not_contains: secret }
    reply:
      text: Looking
      tool_calls: [{ name: read_file, args: { path: src/sum.js } }]
      usage: { input: 1200, output: 80 }
`)
  const outcome = await model.generate(request, { signal })
  expect(outcome).toEqual({
    ok: true,
    response: {
      provider: 'scripted',
      model: 'script',
      text: 'Looking',
      toolCalls: [{ id: 'script_1_1', name: 'read_file', args: { path: 'src/sum.js' } }],
      stopReason: 'tool_calls',
      usage: {
        inputUncached: 1200,
        cacheRead: 0,
        cacheWrite5m: 0,
        cacheWrite1h: 0,
        output: 80,
        reasoning: 0,
        costMicroUsd: 1200 * 3 + 80 * 15,
      },
    },
  })
})

test('createScriptedModel() shows expected and actual on a mismatch, and stays failed', async () => {
  const model = scripted(`provider: scripted
turns:
  - expect: { stage: fix_tests, tools: [run_action, grep], last_tool: { contains: FAIL } }
    reply: { text: never }
`)
  const outcome = await model.generate(request, { signal })
  expect(outcome).toMatchObject({ ok: false, failure: { class: 'script_mismatch' } })
  const message = outcome.ok ? '' : outcome.failure.message
  expect(message).toContain('script.yaml:3:13: turn 1 does not fit')
  expect(message).toContain('expected: "fix_tests"\n    actual:   "implement"')
  expect(message).toContain('expected: with run_action\n    actual:   grep, edit_file')
  expect(message).toContain('expected: "FAIL"\n    actual:   "src/sum.js:1:sum"')
  expect(await model.generate({ ...request, stage: 'fix_tests' }, { signal })).toEqual(outcome)
})

test('createScriptedModel() repeats a turn and then fails when it is exhausted', async () => {
  const model = scripted(`
provider: scripted
turns:
  - reply: { error: { status: 529 }, times: 2 }
  - reply: { text: done }
`)
  const classes: string[] = []
  for (let call = 0; call < 4; call++) {
    const outcome = await model.generate(request, { signal })
    classes.push(outcome.ok ? outcome.response.text : outcome.failure.class)
  }
  expect(classes).toEqual(['overloaded', 'overloaded', 'done', 'script_exhausted'])
})

test('createScriptedModel() repeats the last turn for ever when told to', async () => {
  const model = scripted(
    'provider: scripted\nturns: [{ reply: { text: again } }]\non_exhausted: repeat_last\n',
  )
  for (let call = 0; call < 5; call++)
    expect(await model.generate(request, { signal })).toMatchObject({ ok: true })
})

test('createScriptedModel() goes on behind the calls of an earlier process', async () => {
  const text = 'provider: scripted\nturns: [{ reply: { text: a } }, { reply: { text: b } }]\n'
  expect(await scripted(text, 1).generate(request, { signal })).toMatchObject({
    response: { text: 'b' },
  })
})

test('createScriptedModel() gives up a slow answer when the signal aborts', async () => {
  const model = scripted('provider: scripted\nturns: [{ reply: { text: late, delay: 1h } }]\n')
  const controller = new AbortController()
  const pending = model.generate(request, { signal: controller.signal })
  controller.abort()
  expect(await pending).toMatchObject({ ok: false, failure: { class: 'cancelled' } })
})

test('createScriptedModel() estimates the usage of a turn that states none', async () => {
  const model = scripted('provider: scripted\nturns: [{ reply: { text: hello there } }]\n')
  const outcome = await model.generate(request, { signal })
  if (!outcome.ok) throw new Error(outcome.failure.message)
  expect(outcome.response.usage.inputUncached).toBeGreaterThan(20)
  expect(outcome.response.usage.output).toBeGreaterThan(0)
  expect(outcome.response.usage.costMicroUsd).toBe(0)
})

test.each([
  [
    'an unknown key',
    'provider: scripted\nturns: [{ reply: { txt: x } }]',
    /script.yaml:2:\d+.*txt/,
  ],
  ['another provider', 'provider: openai\nturns: []', /script.yaml:1:11/],
  [
    'an error with an answer',
    'provider: scripted\nturns: [{ reply: { text: x, error: { status: 500 } } }]',
    /either an error or an answer/,
  ],
  [
    'an unknown failure class',
    'provider: scripted\nturns: [{ reply: { error: { class: tired } } }]',
    /Expected one of rate_limited/,
  ],
  [
    'an endless repetition',
    'provider: scripted\nturns: [{ reply: { text: x, times: 1000000 } }]',
    /script.yaml:2/,
  ],
])('parseScript() refuses %s and says where', (_title, text, message) => {
  expect(() => parseScript({ file: 'script.yaml', text })).toThrow(message)
})
