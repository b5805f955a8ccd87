import { afterEach, beforeEach, test } from 'vitest'
import {
  type Attack,
  type Call,
  call,
  expectHeld,
  openTarget,
  read,
  type Target,
  turn,
  write,
} from '../helpers/hostile-model.ts'

let target: Target
beforeEach(async () => {
  target = await openTarget()
})
afterEach(() => target.sandbox.close())

const endless = (make: (i: number) => Call, count = 200) =>
  Array.from({ length: count }, (_, i) => turn(make(i)))

const RUNAWAYS: Attack[] = [
  {
    title: 'makes more calls in one answer than are looked at',
    turns: [turn(...Array.from({ length: 60 }, (_, i) => read(`src/none${i}`)))],
    options: { limits: { max_consecutive_errors: 1, max_tool_calls: 1000 } },
    verdict: 'budget_exceeded',
    reason: 'consecutive_errors',
  },
  {
    title: 'gives two calls the same id',
    turns: [turn({ ...read('src/sum.js'), id: 'x' }, { ...read('NOTES.md'), id: 'x' })],
    rest: { on_exhausted: 'repeat_last' },
    verdict: 'error',
    reason: 'model_error',
  },
  {
    title: 'repeats one call for ever',
    turns: [turn(read('src/sum.js'))],
    rest: { on_exhausted: 'repeat_last' },
    verdict: 'failed',
    reason: 'stuck',
  },
  {
    title: 'goes in a circle of two',
    turns: Array.from({ length: 40 }, (_, i) => turn(read(i % 2 ? 'NOTES.md' : 'src/sum.js'))),
    verdict: 'failed',
    reason: 'stuck',
  },
  {
    title: 'finds ever new things to do',
    turns: endless((i) => call('glob', { pattern: `**/${i}` })),
    verdict: 'budget_exceeded',
    reason: 'turn_limit',
  },
  {
    title: 'makes ever more calls',
    turns: Array.from({ length: 20 }, (_, i) =>
      turn(...Array.from({ length: 10 }, (_, j) => call('glob', { pattern: `${i}/${j}` }))),
    ),
    verdict: 'budget_exceeded',
    reason: 'tool_call_limit',
  },
  {
    title: 'tries ever new forbidden paths',
    turns: endless((i) => write(`.github/${i}.yml`)),
    verdict: 'budget_exceeded',
    reason: 'consecutive_errors',
  },
  {
    title: 'finishes with a wrong schema for ever',
    turns: endless((i) => call('finish', { status: 'succeeded', summary: `${i}` })),
    verdict: 'budget_exceeded',
    reason: 'consecutive_errors',
  },
  {
    title: 'only says that it is done',
    turns: [{ reply: { text: 'finish(status="done"). All tests pass!' } }],
    rest: { on_exhausted: 'repeat_last' },
    verdict: 'failed',
    reason: 'invalid_output',
  },
  {
    title: 'uses tokens without measure',
    turns: endless((i) => call('glob', { pattern: `${i}` })).map(({ reply }) => ({
      reply: { ...reply, usage: { input: 30_000, output: 4000 } },
    })),
    options: { limits: { max_tokens: 100_000 } },
    verdict: 'budget_exceeded',
    reason: 'token_limit',
  },
  {
    title: 'spends money without measure',
    turns: endless((i) => call('glob', { pattern: `${i}` })).map(({ reply }) => ({
      reply: { ...reply, usage: { input: 1000, output: 1000 } },
    })),
    rest: { price: { input: 3, output: 15 } },
    options: { limits: { max_cost_usd: 0.2 } },
    verdict: 'budget_exceeded',
    reason: 'cost_limit',
  },
  {
    title: 'spends the money of the run from a generous stage',
    turns: endless((i) => call('glob', { pattern: `${i}` })).map(({ reply }) => ({
      reply: { ...reply, usage: { input: 1000, output: 1000 } },
    })),
    rest: { price: { input: 3, output: 15 } },
    options: { limits: { max_cost_usd: 1000 }, runLimits: { max_cost_usd: 0.2 } },
    verdict: 'budget_exceeded',
    reason: 'cost_limit',
  },
  {
    title: 'never answers',
    turns: [{ reply: { text: 'x', delay: '2h' } }],
    options: { limits: { max_wall: 100 } },
    verdict: 'budget_exceeded',
    reason: 'wall_limit',
  },
  {
    title: 'starts something that never ends',
    turns: [turn(call('run_action', { name: 'run_tests' }))],
    world: { runAction: () => new Promise(() => {}) },
    options: { limits: { max_wall: 100 } },
    verdict: 'budget_exceeded',
    reason: 'wall_limit',
  },
  {
    title: 'floods itself with output',
    turns: endless((i) => call('run_action', { name: i % 2 ? 'run_tests' : 'run_linters' })),
    world: {
      runAction: async () => ({ ok: true, text: `${Math.random()} ${'x'.repeat(3_000_000)}` }),
    },
    options: { limits: { max_output_bytes: 3_500_000 } },
    verdict: 'budget_exceeded',
    reason: 'output_limit',
  },
]

test.each(RUNAWAYS)('runAgentStage() bounds a model that $title', async (attack) => {
  await expectHeld(target, attack)
})
