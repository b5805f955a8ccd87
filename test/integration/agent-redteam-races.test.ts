/** Hostile answers, races under the tools, and swapped approvals. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askPolicy } from '../../src/actions/gate.ts'
import type { Model } from '../../src/model/index.ts'
import { defaultPolicy } from '../../src/policy/index.ts'
import { hashJson, type JsonValue } from '../../src/schema/index.ts'
import { decideApproval, listApprovals } from '../../src/state/index.ts'
import {
  call,
  CANARY,
  DONE,
  openTarget,
  read,
  SECRET,
  type Target,
  turn,
  write,
} from '../helpers/hostile-model.ts'
import type { LocalSandbox } from '../helpers/local-sandbox.ts'
import { runStage, scriptedModel } from '../helpers/scripted-stage.ts'
import { countingIds, openTestState, seedRun } from '../helpers/state.ts'
import { toolWorld } from '../helpers/tool-context.ts'

let target: Target
beforeEach(async () => {
  target = await openTarget()
})
afterEach(() => target.sandbox.close())

const big = (size: number) => 'x'.repeat(size)

const ANSWERS: [string, JsonValue | object][] = [
  ['no form at all', { hello: 1 }],
  ['usage that is no number', { usage: { inputUncached: Number.NaN } }],
  ['usage below zero', { usage: { inputUncached: -1_000_000, output: 0 } }],
  ['usage without an end', { usage: { output: Number.POSITIVE_INFINITY } }],
  ['cost below zero', { usage: { costMicroUsd: -5 } }],
  ['text that is none', { text: 7 }],
  ['calls that are none', { toolCalls: [null] }],
  ['a call without a name', { toolCalls: [{ id: 'x', args: {} }] }],
  ['nine megabytes of text', { text: big(9_000_000) }],
]

test.each(ANSWERS)('runAgentStage() takes no answer that has %s', async (_title, part) => {
  const honest = scriptedModel([turn(write('x.txt'))], { on_exhausted: 'repeat_last' })
  const usage = {
    inputUncached: 1,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: 1,
    reasoning: 0,
    costMicroUsd: 0,
  }
  const whole = {
    provider: 'scripted',
    model: 'x',
    text: '',
    toolCalls: [],
    stopReason: 'end_turn',
    usage,
  }
  const over = Object(part)
  const response =
    'hello' in over ? over : { ...whole, ...over, usage: { ...usage, ...over.usage } }
  const model: Model = { ...honest, generate: async () => ({ ok: true, response }) }
  const { result, transcript } = await runStage(toolWorld(target.sandbox), model)
  expect(result).toMatchObject({ verdict: 'error', reason: 'model_error' })
  expect(transcript.filter((line) => line['role'] === 'assistant')).toEqual([])
})

/** What somebody inside the sandbox changes between a look and an act. */
const RACES: [string, (root: string, outside: string) => void][] = [
  [
    'a directory into a link',
    (root, outside) => {
      renameSync(join(root, 'dir'), join(root, 'was'))
      symlinkSync(outside, join(root, 'dir'))
    },
  ],
  [
    'a file into a link',
    (root, outside) => {
      rmSync(join(root, 'dir/file'))
      symlinkSync(join(outside, 'canary'), join(root, 'dir/file'))
    },
  ],
  [
    'a file into a secret',
    (root) => {
      rmSync(join(root, 'dir/file'))
      symlinkSync('../secrets/key.txt', join(root, 'dir/file'))
    },
  ],
]

test.each(RACES)('runAgentStage() follows nobody who turns %s under it', async (_title, race) => {
  const { root } = target.sandbox
  mkdirSync(join(root, 'dir'))
  writeFileSync(join(root, 'dir/file'), 'harmless\n')
  let raced = false
  const once = (path: string) => {
    if (!raced && path.includes('/dir/')) {
      raced = true
      race(root, target.outside)
    }
  }
  const racing: LocalSandbox = {
    ...target.sandbox,
    async stat(path) {
      const stat = await target.sandbox.stat(path)
      once(path)
      return stat
    },
    async readFile(path, options) {
      once(path)
      return await target.sandbox.readFile(path, options)
    },
  }
  const { transcript } = await runStage(
    toolWorld(racing, { denyRead: ['secrets'] }),
    scriptedModel([
      turn(call('write_file', { path: 'dir/file', content: 'pwned', overwrite: true })),
      turn(call('edit_file', { path: 'dir/file', old_text: 'harmless', new_text: 'pwned' })),
      turn(read('dir/file')),
      DONE,
    ]),
  )
  expect(raced).toBe(true)
  expect(readdirSync(target.outside)).toEqual(['canary'])
  expect(readFileSync(join(target.outside, 'canary'), 'utf8')).toBe(CANARY)
  expect(readFileSync(join(root, 'secrets/key.txt'), 'utf8')).toContain(SECRET)
  expect(JSON.stringify(transcript)).not.toContain(SECRET)
})

test('control: the tools do what the same calls say where nothing stands in the way', async () => {
  const { transcript } = await runStage(
    toolWorld(target.sandbox),
    scriptedModel([turn(write('dir/file'), read('secrets/key.txt'), write('.github/x.yml')), DONE]),
  )
  expect(readFileSync(join(target.sandbox.root, 'dir/file'), 'utf8')).toBe('pwned')
  expect(readFileSync(join(target.sandbox.root, '.github/x.yml'), 'utf8')).toBe('pwned')
  expect(JSON.stringify(transcript)).toContain(SECRET)
})

/** A stage whose writes a person must allow, through the real gate. */
function asking(state: ReturnType<typeof openTestState>) {
  const { id: runId } = seedRun(state)
  const rule = { id: 'ask', capability: 'repo_write', decision: 'require_approval' } as const
  const policy = { ...defaultPolicy(), rules: [rule] }
  const deps = {
    state,
    policy,
    policyHash: hashJson('policy'),
    now: () => 1000,
    newId: countingIds(),
  }
  const world = toolWorld(target.sandbox)
  const gate: typeof world.context.gate = async (request) => {
    const about = { mode: 'workspace_write', stage: 'implement' } as const
    const ask = { request: { ...request, ...about }, approval: undefined }
    const [decision] = askPolicy({ ...deps, append: () => {} }, [ask], {
      runId,
      attempt: 1,
      tree: 't',
    })
    if (decision === undefined) throw new Error('No decision')
    return decision
  }
  const approve = () => {
    const [open] = listApprovals(state.db, runId).filter(({ status }) => status === 'pending')
    if (open === undefined) throw new Error('Nothing is asked')
    decideApproval(state.db, open.id, {
      decision: 'approved',
      reason: undefined,
      by: 'ann',
      now: 1000,
    })
  }
  const attempt = async (...paths: string[]) => {
    const script = scriptedModel([...paths.map((path) => turn(write(path))), DONE])
    const { result } = await runStage({ ...world, context: { ...world.context, gate } }, script)
    return result.verdict
  }
  return { attempt, approve }
}

test.each([
  ['another file', ['other.txt']],
  ['the same file by a longer way', ['src/../evil.txt']],
  ['the same file twice', ['good.txt', 'good.txt']],
  ['a second file after the first', ['good.txt', 'other.txt']],
])(
  'runAgentStage() holds a model that was allowed one write and tries %s',
  async (_title, paths) => {
    using state = openTestState()
    const { attempt, approve } = asking(state)
    expect(await attempt('good.txt')).toBe('awaiting_approval')
    approve()
    await attempt(...paths)
    const there = readdirSync(target.sandbox.root).filter((name) => name.endsWith('.txt'))
    expect(there).toEqual(paths[0] === 'good.txt' ? ['good.txt'] : [])
  },
)

test('control: the write that was allowed happens, once', async () => {
  using state = openTestState()
  const { attempt, approve } = asking(state)
  await attempt('good.txt')
  approve()
  expect(await attempt('good.txt')).toBe('succeeded')
  rmSync(join(target.sandbox.root, 'good.txt'))
  expect(await attempt('good.txt')).toBe('awaiting_approval')
})
