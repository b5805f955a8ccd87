import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type EndedRun, type RunWorld, runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()

const WRONG = 'a - b'
const RIGHT = 'a + b'
const REPOSITORY = {
  'package.json': JSON.stringify({
    name: 'sum',
    type: 'module',
    scripts: { lint: 'node --check sum.js', test: 'node --test --test-reporter=tap' },
  }),
  'sum.js': `export const sum = (a, b) => ${WRONG}\n`,
  'sum.test.js': `import assert from 'node:assert'
import test from 'node:test'
import { sum } from './sum.js'
test('sum() adds', () => assert.equal(sum(1, 2), 3))
`,
}
const FIXED = { ...REPOSITORY, 'sum.js': `export const sum = (a, b) => ${RIGHT}\n` }

type Turn = { stage: string; call: string; args: object }

const edit = (stage: string, old_text: string, new_text: string): Turn => ({
  stage,
  call: 'edit_file',
  args: { path: 'sum.js', old_text, new_text },
})
const finish = (stage: string, status = 'done'): Turn => ({
  stage,
  call: 'finish',
  args: { status, summary: `It is ${status}` },
})

function scripted(world: RunWorld, ...turns: Turn[]): string {
  const lines = turns.map(({ stage, call, args }) => ({
    expect: { stage },
    reply: { tool_calls: [{ name: call, args }], usage: { input: 100, output: 10 } },
  }))
  world.write('model.yaml', JSON.stringify({ provider: 'scripted', turns: lines }))
  return join(world.repo, 'model.yaml')
}

const NODE = { image: 'node', task: 'sum() subtracts; fix it in sum.js' }
const replayHash = ({ events }: EndedRun) => events.at(-1)?.replayHash

describe('two runs that do the same', () => {
  dockerTest('a command has the same replay hash, and another audit hash', async () => {
    const world = await open()
    const script = 'echo $(date +%s%N); cat /proc/sys/kernel/random/uuid; echo x > made'
    const [first, second] = [await world.shell(script), await world.shell(script)]
    expect(first.stdout).not.toBe(second.stdout)
    expect(replayHash(second)).toBe(replayHash(first))
    expect(second.events.at(-1)?.hash).not.toBe(first.events.at(-1)?.hash)
  })

  dockerTest('another verdict, and another tree, have another replay hash', async () => {
    const world = await open()
    const hashes = [
      replayHash(await world.shell('true')),
      replayHash(await world.shell('false')),
      replayHash(await world.shell('touch made')),
    ]
    expect(new Set(hashes).size).toBe(3)
  })

  dockerTest('a crash with its ids and times changes nothing of the replay hash', async () => {
    const world = await open()
    world.write('tight.policy.yaml', 'version: 1\nlimits: { disk: 2MB }\n')
    const policyFile = join(world.repo, 'tight.policy.yaml')
    const fill = (bytes: string) => `sleep 0; head -c ${bytes} /dev/urandom > big; sleep 60`
    const first = await world.shell(fill('20M'), { policyFile })
    const second = await world.shell(fill('20M'), { policyFile })
    expect(first.result.reason).toBe('disk_limit')
    expect(replayHash(second)).toBe(replayHash(first))
  })

  dockerTest('check and an agent blueprint have the same replay hash', async () => {
    const world = await open(REPOSITORY)
    const check = async () => await world.run({ blueprint: 'check', image: 'node' })
    const [first, second] = [await check(), await check()]
    expect(first.result.reason).toBe('tests_failed')
    expect(replayHash(second)).toBe(replayHash(first))
    const modelScript = scripted(world, edit('implement', WRONG, RIGHT), finish('implement'))
    const fix = async () => await world.run({ blueprint: 'backend_bugfix', modelScript, ...NODE })
    const [third, fourth] = [await fix(), await fix()]
    expect(third.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    expect(replayHash(fourth)).toBe(replayHash(third))
    expect(timelineOf(fourth)).toEqual(WHOLE)
  })
})

describe('agent blueprints that do not succeed', () => {
  dockerTest('scoped_code_change gives up when its one repair fails too', async () => {
    const world = await open(REPOSITORY)
    const modelScript = scripted(
      world,
      edit('implement', WRONG, 'a * b'),
      finish('implement'),
      edit('fix_tests', 'a * b', 'a / b'),
      finish('fix_tests'),
    )
    const ended = await world.run({ blueprint: 'scoped_code_change', modelScript, ...NODE })
    expect(ended.result).toMatchObject({
      status: 'failed',
      reason: 'retry_exhausted',
      exit_code: 1,
    })
    expect(ended.result.detail).toContain('tests_failed')
    expect(ended.ends.filter((end) => end.startsWith('run_tests'))).toEqual([
      'run_tests.1 failed tests_failed',
      'run_tests.2 failed tests_failed',
    ])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('backend_bugfix whose agent gives up fails with a summary', async () => {
    const world = await open(REPOSITORY)
    const modelScript = scripted(world, finish('implement', 'failed'))
    const ended = await world.run({ blueprint: 'backend_bugfix', modelScript, ...NODE })
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'agent_failed', exit_code: 1 })
    expect(ended.ends.at(-1)).toBe('summarize_failed_run.1 succeeded')
    expect(ended.types).not.toContain('sandbox_started')
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest(
    'debug_ci_failure repairs what it reproduced, and calls no model where all is well',
    async () => {
      const world = await open(REPOSITORY)
      const stage = 'fix_failure'
      const modelScript = scripted(world, edit(stage, WRONG, RIGHT), finish(stage))
      const request = { blueprint: 'debug_ci_failure', modelScript, ...NODE }
      const fixed = await world.run(request)
      expect(fixed.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
      expect(timelineOf(fixed)).toEqual(WHOLE)
      const other = await open(FIXED)
      const well = await other.run({ ...request, modelScript: scripted(other) })
      expect(well.result).toMatchObject({ status: 'succeeded', diff: { files: 0 } })
      expect(well.types).not.toContain('model_invocation')
    },
  )

  dockerTest(
    'a script that expects something else ends script_mismatch, and is not tried again',
    async () => {
      const world = await open(REPOSITORY)
      const modelScript = scripted(world, finish('another_stage'))
      const ended = await world.run({ blueprint: 'backend_bugfix', modelScript, ...NODE })
      expect(ended.result).toMatchObject({ reason: 'script_mismatch', exit_code: 1 })
      expect(ended.ends.filter((end) => end.startsWith('implement'))).toHaveLength(1)
      expect(timelineOf(ended)).toEqual(WHOLE)
    },
  )

  dockerTest('an agent blueprint without a model ends before anything is started', async () => {
    const world = await open(REPOSITORY)
    const ended = await world.run({ blueprint: 'backend_bugfix', ...NODE })
    expect(ended.result).toMatchObject({ reason: 'no_model_configured', exit_code: 3, stages: [] })
    expect(ended.result.detail).toContain('--model-script')
    expect(ended.types).toEqual(['run_created', 'run_started', 'run_completed'])
  })

  dockerTest('an agent is refused what policy denies, and cannot go around it', async () => {
    const world = await open({ ...REPOSITORY, 'locked/a.js': '1\n' })
    world.write('run.policy.yaml', 'version: 1\npaths: { deny_write: ["locked/**"] }\n')
    const path = 'locked/a.js'
    const modelScript = scripted(
      world,
      { stage: 'implement', call: 'write_file', args: { path, content: '2\n' } },
      edit('implement', WRONG, RIGHT),
      finish('implement'),
    )
    const policyFile = join(world.repo, 'run.policy.yaml')
    const request = { blueprint: 'backend_bugfix', modelScript, policyFile, ...NODE }
    const ended = await world.run(request)
    expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    const blocked = ended.events.filter(({ payload }) => payload['decision'] === 'block')
    expect(blocked.map(({ payload }) => payload['resource'])).toMatchObject([{ path }])
  })

  dockerTest('turns that an agent used count for the rest of the run', async () => {
    const world = await open(REPOSITORY)
    world.write(
      'tight.yaml',
      `version: 1
name: tight
description: Tight
limits: { max_turns: 3 }
stages:
  - { id: one, type: agent, goal: g, toolset: coding_backend }
  - { id: two, type: agent, goal: g, toolset: coding_backend }
`,
    )
    const turns = [
      edit('one', WRONG, RIGHT),
      finish('one'),
      edit('two', RIGHT, WRONG),
      finish('two'),
    ]
    const modelScript = scripted(world, ...turns)
    const ended = await world.run({
      blueprint: join(world.repo, 'tight.yaml'),
      modelScript,
      ...NODE,
    })
    expect(ended.result).toMatchObject({
      status: 'budget_exceeded',
      reason: 'turn_limit',
      exit_code: 6,
    })
    expect(ended.ends).toEqual(['one.1 succeeded', 'two.1 budget_exceeded turn_limit'])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })
})
