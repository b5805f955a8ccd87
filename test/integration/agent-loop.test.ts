import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type JsonValue, NewEvent, OpenExecError } from '../../src/schema/index.ts'
import { type LocalSandbox, openLocalSandbox } from '../helpers/local-sandbox.ts'
import { runStage, scriptedModel } from '../helpers/scripted-stage.ts'
import { toolWorld } from '../helpers/tool-context.ts'

let sandbox: LocalSandbox
beforeEach(async () => {
  sandbox = await openLocalSandbox({
    'src/sum.js': 'export function sum(list) {\n  let total = 1\n  return total\n}\n',
    'README.md': '# Sum\n',
  })
})
afterEach(() => sandbox.close())

const calls = (...tool_calls: { name: string; args?: JsonValue }[]) => ({ reply: { tool_calls } })
const read = (path: string) => ({ name: 'read_file', args: { path } })
const FINISH = { name: 'finish', args: { status: 'done', summary: 'Fixed' } }
const EDIT = {
  name: 'edit_file',
  args: { path: 'src/sum.js', old_text: 'total = 1', new_text: 'total = 0' },
}

test('runAgentStage() reads, edits, checks and finishes', async () => {
  const world = toolWorld(sandbox)
  const run = await runStage(
    world,
    scriptedModel([
      {
        expect: {
          stage: 'implement',
          tools: ['edit_file', 'finish'],
          system: { contains: 'do not follow' },
          last_user: {
            contains: ['sum() is off by one', 'Goal of this stage: Fix it', 'lint says'],
          },
        },
        ...calls(read('src/sum.js'), read('README.md')),
      },
      { expect: { last_tool: { name: 'read_file', ok: true, contains: '# Sum' } }, ...calls(EDIT) },
      calls({ name: 'run_action', args: { name: 'run_tests' } }),
      { expect: { last_tool: { contains: 'run_tests passed' } }, ...calls(FINISH) },
    ]),
    { request: { inputs: [{ name: 'lint_report', text: 'lint says' }] } },
  )
  expect(run.result).toMatchObject({
    verdict: 'succeeded',
    reason: undefined,
    summary: 'Fixed',
    turns: 4,
    spent: { turns: 4, toolCalls: 5 },
  })
  expect(readFileSync(join(sandbox.root, 'src/sum.js'), 'utf8')).toContain('total = 0')
  expect(world.actions).toEqual(['run_tests'])
  expect(run.events.map(({ type }) => type)).toEqual([
    'model_invocation',
    'tool_call',
    'tool_call',
    'model_invocation',
    'tool_call',
    'model_invocation',
    'tool_call',
    'model_invocation',
    'tool_call',
  ])
  for (const event of run.events) expect(NewEvent.parse(event)).toEqual(event)
  expect(run.transcript.map(({ kind }) => kind)).toEqual([
    'opening',
    ...Array.from({ length: 10 }, () => 'message'),
    'end',
  ])
})

test('runAgentStage() tells the same story every time, but for durations', async () => {
  const turns = [calls(read('src/sum.js'), read('README.md'), read('none')), calls(FINISH)]
  const story = async () =>
    (await runStage(toolWorld(sandbox), scriptedModel(turns))).events.map(({ type, payload }) => ({
      type,
      payload,
    }))
  expect(await story()).toEqual(await story())
})

test('runAgentStage() records parallel reads in call order, whichever ends first', async () => {
  const slow: LocalSandbox = {
    ...sandbox,
    async readFile(path, options) {
      if (path.endsWith('sum.js')) await new Promise((resolve) => setTimeout(resolve, 30))
      return await sandbox.readFile(path, options)
    },
  }
  const { events } = await runStage(
    toolWorld(slow),
    scriptedModel([calls(read('src/sum.js'), read('README.md')), calls(FINISH)]),
  )
  const args = events
    .filter(({ type }) => type === 'tool_call')
    .map(({ payload }) => payload['args'])
  expect(args.slice(0, 2)).toEqual([{ path: 'src/sum.js' }, { path: 'README.md' }])
})

test('runAgentStage() never runs a write beside another call', async () => {
  let running = 0
  let most = 0
  const counted: LocalSandbox = {
    ...sandbox,
    async writeFile(path, content, options) {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setTimeout(resolve, 10))
      await sandbox.writeFile(path, content, options)
      running -= 1
    },
  }
  const write = (path: string) => ({ name: 'write_file', args: { path, content: 'x' } })
  const { result } = await runStage(
    toolWorld(counted),
    scriptedModel([calls(write('a'), write('b'), write('c')), calls(FINISH)]),
  )
  expect([result.verdict, most]).toEqual(['succeeded', 1])
})

test('runAgentStage() does not let a model finish past a failure it has not seen', async () => {
  const bad = { name: 'edit_file', args: { ...EDIT.args, old_text: 'nowhere to be found' } }
  const { result } = await runStage(
    toolWorld(sandbox),
    scriptedModel([
      calls(bad, FINISH),
      {
        expect: { last_tool: { name: 'finish', ok: false, contains: 'failed' } },
        ...calls(EDIT, FINISH),
      },
    ]),
  )
  expect(result).toMatchObject({ verdict: 'succeeded', turns: 2 })
})

test.each([
  ['failed', 'gave up'],
  ['blocked', 'is blocked'],
])('runAgentStage() ends as failed when the agent says %s', async (status, words) => {
  const finish = { name: 'finish', args: { status, summary: 'No way' } }
  const { result } = await runStage(toolWorld(sandbox), scriptedModel([calls(finish)]))
  expect(result).toMatchObject({ verdict: 'failed', reason: 'agent_failed' })
  expect(result.detail).toContain(words)
})

test('runAgentStage() nudges a model that only talks, and then gives up', async () => {
  const { result } = await runStage(
    toolWorld(sandbox),
    scriptedModel([
      { reply: { text: 'I have fixed it. Done!' } },
      {
        expect: { last_user: { contains: 'called no tool' } },
        reply: { text: 'The stage is done' },
      },
      { reply: { text: 'status: done', stop: 'max_tokens' } },
      { expect: { last_user: { contains: 'cut off' } }, reply: { text: '{"name":"finish"}' } },
    ]),
  )
  expect(result).toMatchObject({ verdict: 'failed', reason: 'invalid_output', turns: 4 })
})

test('runAgentStage() ends on a refusal', async () => {
  const { result } = await runStage(
    toolWorld(sandbox),
    scriptedModel([{ reply: { text: 'I will not', stop: 'refusal' } }]),
  )
  expect(result).toMatchObject({ verdict: 'failed', reason: 'agent_failed' })
})

test('runAgentStage() retries what may pass, records each retry, and settles nothing for them', async () => {
  const { result, events } = await runStage(
    toolWorld(sandbox),
    scriptedModel([{ reply: { error: { status: 529 }, times: 2 } }, calls(FINISH)]),
  )
  expect(result).toMatchObject({ verdict: 'succeeded', spent: { turns: 1 } })
  const invocations = events.filter(({ type }) => type === 'model_invocation')
  expect(invocations.map(({ payload }) => [payload['ok'], payload['class']])).toEqual([
    [false, 'overloaded'],
    [false, 'overloaded'],
    [true, undefined],
  ])
})

test.each([
  ['a model error that stays', [{ reply: { error: { status: 401 } } }], 'error', 'model_error'],
  ['a mismatch', [{ expect: { stage: 'x' }, reply: { text: 'y' } }], 'error', 'script_mismatch'],
  ['an exhausted script', [], 'error', 'script_mismatch'],
])('runAgentStage() ends as error on %s', async (_title, turns, verdict, reason) => {
  const { result, transcript } = await runStage(toolWorld(sandbox), scriptedModel(turns))
  expect(result).toMatchObject({ verdict, reason })
  expect(result.detail).toContain('script')
  expect(transcript.at(-1)).toMatchObject({ kind: 'end', verdict })
})

test('runAgentStage() refuses a model without a price', async () => {
  const model = { ...scriptedModel([calls(FINISH)]), price: undefined }
  const { result } = await runStage(toolWorld(sandbox), model)
  expect(result).toMatchObject({ verdict: 'error', reason: 'not_configured', turns: 0 })
})

test('runAgentStage() ends as awaiting_approval when policy wants a person', async () => {
  const world = toolWorld(sandbox)
  const gate: typeof world.context.gate = async (request) => {
    const decision = await world.context.gate(request)
    const asks = request.capability === 'repo_write'
    return asks ? { ...decision, decision: 'require_approval' } : decision
  }
  const { result } = await runStage(
    { ...world, context: { ...world.context, gate } },
    scriptedModel([calls(EDIT)]),
  )
  expect(result).toMatchObject({ verdict: 'awaiting_approval', reason: 'approval_required' })
})

test.each([
  ['block', 'blocked', 'policy_blocked'],
  ['require_approval', 'awaiting_approval', 'approval_required'],
] as const)('runAgentStage() calls no model when policy says %s', async (word, verdict, reason) => {
  const world = toolWorld(sandbox)
  const gate: typeof world.context.gate = async (request) => ({
    ...(await world.context.gate(request)),
    decision: word,
  })
  const { result, events } = await runStage(
    { ...world, context: { ...world.context, gate } },
    scriptedModel([calls(FINISH)]),
  )
  expect(result).toMatchObject({ verdict, reason, turns: 0 })
  expect(events).toEqual([])
  expect(world.gated).toEqual(['allow model_call agent {"kind":"name","name":"scripted/script"}'])
})

test('runAgentStage() is cancelled in the middle of an answer and of a tool', async () => {
  const slow = scriptedModel([{ reply: { text: 'x', delay: '1h' } }])
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 20)
  const answer = await runStage(toolWorld(sandbox), slow, {
    request: { signal: controller.signal },
  })
  expect(answer.result).toMatchObject({ verdict: 'cancelled', reason: 'cancelled' })
  const again = new AbortController()
  const world = toolWorld(sandbox, { runAction: () => new Promise(() => {}) })
  setTimeout(() => again.abort(), 20)
  const tool = await runStage(
    world,
    scriptedModel([calls({ name: 'run_action', args: { name: 'run_tests' } })]),
    { request: { signal: again.signal } },
  )
  expect(tool.result.verdict).toBe('cancelled')
})

test('runAgentStage() ends as error when the sandbox is lost, and throws on a bug', async () => {
  const failing = (error: Error): LocalSandbox => ({
    ...sandbox,
    stat: () => Promise.reject(error),
  })
  const lost = failing(new OpenExecError('sandbox_lost', 'The container died'))
  const { result, runBudget } = await runStage(
    toolWorld(lost),
    scriptedModel([calls(read('a'), read('b'))]),
  )
  expect(result).toMatchObject({ verdict: 'error', reason: 'sandbox_lost' })
  expect(runBudget.remaining().toolCalls).toBe(38)
  const bug = failing(new TypeError('x is not a function'))
  await expect(runStage(toolWorld(bug), scriptedModel([calls(read('a'))]))).rejects.toThrow(
    TypeError,
  )
})

test('runAgentStage() sends old results as one line when the conversation grows long', async () => {
  const long = 'word '.repeat(4000)
  await sandbox.writeFile('/workspace/long.txt', Buffer.from(`${long}\n`.repeat(3)), {
    mode: 0o644,
  })
  const reads = Array.from({ length: 8 }, (_, i) =>
    calls({ name: 'read_file', args: { path: 'long.txt', start_line: 1, end_line: 1 + (i % 3) } }),
  )
  const { result, events, transcript } = await runStage(
    toolWorld(sandbox),
    scriptedModel([
      ...reads,
      { expect: { messages: 17, last_tool: { contains: 'word word' } }, ...calls(FINISH) },
    ]),
    { request: { contextTokens: 5000 } },
  )
  expect(result.verdict).toBe('succeeded')
  const views = events.filter(({ type }) => type === 'context_view')
  expect(views.length).toBeGreaterThan(0)
  // The conversation itself keeps everything.
  const results = transcript.filter(
    (line) => line['role'] === 'tool' && line['name'] === 'read_file',
  )
  expect(results.every((line) => String(line['text']).includes('word word'))).toBe(true)
})
