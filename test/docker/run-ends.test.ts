import fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { text, timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()

describe('a command run', () => {
  dockerTest('a run that exits 0 succeeds and leaves a whole timeline', async () => {
    const world = await open()
    const ended = await world.shell('echo out; echo err >&2; pwd')
    expect(ended.result).toMatchObject({ status: 'succeeded', exit_code: 0 })
    expect([ended.stdout, ended.stderr]).toEqual(['out\n/workspace\n', 'err\n'])
    expect(timelineOf(ended)).toEqual(WHOLE)
    expect(ended.result.artifacts.map(({ name }) => name)).toEqual([
      'plan',
      'policy_snapshot',
      'receipt',
      'run_command.1.command.stdout',
      'run_command.1.command.stderr',
      'command_report',
    ])
  })

  const ends = [
    ['exits 7', 'exit 7', { status: 'failed', reason: 'exit_nonzero', exit_code: 1 }],
    ['is killed', 'kill -9 $$', { status: 'failed', reason: 'exit_nonzero', exit_code: 1 }],
  ] as const
  for (const [name, script, result] of ends)
    dockerTest(`a command that ${name} ends ${result.reason}`, async () => {
      const ended = await (await open()).shell(script)
      expect(ended.result).toMatchObject(result)
      expect(timelineOf(ended)).toEqual(WHOLE)
    })

  dockerTest('a program the image does not have ends command_not_found', async () => {
    const ended = await (await open()).run({ command: ['no-such-program', '\u001b[31m'] })
    expect(ended.result).toMatchObject({ reason: 'command_not_found', exit_code: 1 })
    expect(ended.result.detail).not.toContain('\u001b')
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('an argv longer than an event is told by its hash', async () => {
    const long = 'x'.repeat(100_000)
    const ended = await (await open()).run({ command: ['sh', '-c', 'echo ${#1}', 'sh', long] })
    expect(ended.stdout).toBe('100000\n')
    const started = ended.events.find(({ type }) => type === 'command_started')
    expect(started?.payload).toHaveProperty('argv_hash')
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('the deadline of the run ends it with wall_limit, not with its stage', async () => {
    const world = await open()
    const ended = await world.shell('sleep 60', { timeoutMs: 2500 })
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'wall_limit', exit_code: 124 })
    expect(ended.ends).toEqual(['run_command.1 timed_out wall_limit'])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('the time of a stage ends it with timed_out, and what it did is kept', async () => {
    const world = await open()
    world.write(
      'short.yaml',
      `version: 1
name: short
description: Short
stages:
  - { id: slow, type: deterministic, action: run_command, with: { argv: [sh, -c, "touch made; sleep 60"] }, timeout: 1s, retry_limit: 1 }
`,
    )
    const ended = await world.run({ blueprint: join(world.repo, 'short.yaml') })
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'timed_out', exit_code: 124 })
    expect(ended.ends).toEqual(['slow.1 timed_out timed_out', 'slow.2 timed_out timed_out'])
    expect(ended.result.diff.files).toBe(1)
    expect(ended.types.filter((type) => type === 'sandbox_started')).toHaveLength(2)
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('a cancelled command stops at once', async () => {
    const world = await open()
    const run = await world.submit({ command: ['sh', '-c', 'echo on; sleep 60'] })
    const ended = await world.follow(run, {
      onEvent: ({ type }) => void (type === 'command_started' && world.cancel(run)),
    })
    expect(ended.result).toMatchObject({ status: 'cancelled', reason: 'cancelled', exit_code: 130 })
    expect(ended.ends).toEqual(['run_command.1 cancelled cancelled'])
    expect(timelineOf(ended)).toEqual(WHOLE)
    await expect(world.cancel(run)).resolves.toMatchObject({ status: 'cancelled' })
  })

  for (const moment of ['run_started', 'workspace_created', 'step_started', 'sandbox_started'])
    dockerTest(`a run that is cancelled at ${moment} leaves nothing`, async () => {
      const world = await open()
      const run = await world.submit({ command: ['sleep', '60'] })
      const ended = await world.follow(run, {
        onEvent: ({ type }) => void (type === moment && world.cancel(run)),
      })
      expect(ended.result).toMatchObject({ status: 'cancelled', exit_code: 130 })
      expect(timelineOf(ended)).toEqual(WHOLE)
    })

  dockerTest('a program that is told to stop cancels its runs', async () => {
    const world = await open()
    const run = await world.submit({ command: ['sleep', '60'] })
    const ended = await world.follow(run, {
      onEvent: ({ type }) => void (type === 'command_started' && world.stop.abort()),
    })
    expect(ended.result).toMatchObject({ status: 'cancelled', exit_code: 130 })
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('a container that dies under its command ends sandbox_lost', async () => {
    const world = await open()
    const run = await world.submit({ command: ['sleep', '60'] })
    const ended = await world.follow(run, {
      onEvent({ type, volatile }) {
        if (type === 'sandbox_started')
          void testEngine()
            .docker.getContainer(`openexec-${text(volatile['sandbox'])}`)
            .kill()
      },
    })
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'sandbox_lost', exit_code: 125 })
    expect(ended.ends).toEqual(['run_command.1 error sandbox_lost'])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  for (const moment of ['step_completed', 'sandbox_removed'])
    dockerTest(`a cancellation at ${moment} changes nothing any more`, async () => {
      const world = await open()
      const run = await world.submit({ command: ['true'] })
      const ended = await world.follow(run, {
        onEvent: ({ type }) => void (type === moment && world.cancel(run).catch(() => {})),
      })
      expect(ended.result.status).toBe('succeeded')
      expect(timelineOf(ended)).toEqual(WHOLE)
      await expect(world.cancel(run)).rejects.toMatchObject({ code: 'conflict' })
    })

  dockerTest('a read_only run that changes nothing has no checkpoint', async () => {
    const world = await open()
    const ended = await world.shell('touch x; ls /workspace', { sandbox: 'read_only' })
    expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 0 } })
    expect(ended.stderr).toContain('Read-only')
    expect(ended.types).not.toContain('checkpoint')
    expect(ended.run.headTree).toBe(ended.run.baseTree)
  })

  dockerTest('files that are refused are told, and the rest is kept', async () => {
    const world = await open()
    const ended = await world.shell(
      'mkfifo pipe; mkdir -p .openexec; echo x > .openexec/y; echo a > a',
    )
    expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    const notice = ended.events.find(({ type, payload }) => type === 'notice' && payload['some'])
    expect(notice?.payload['message']).toMatch(/pipe \(/)
    expect(await world.diff(ended.run)).not.toContain('openexec')
  })

  dockerTest('a workspace over its limits is a finding, not a crash that is repeated', async () => {
    const world = await open()
    world.write('tight.policy.yaml', 'version: 1\nlimits: { disk: 5MB }\n')
    const ended = await world.shell('head -c 30M /dev/urandom > big; sleep 60', {
      policyFile: join(world.repo, 'tight.policy.yaml'),
    })
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'disk_limit', exit_code: 1 })
    expect(ended.ends).toEqual(['run_command.1 failed disk_limit'])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('a run can be shown where its repository is not', async () => {
    const world = await open()
    const { run, result } = await world.shell('echo x > made')
    const [here, away] = [join(world.repo, '.git'), join(world.repo, 'away')]
    fs.renameSync(here, away)
    const param = { id: run.id }
    const shown = await world.client.v1.runs[':id'].result.$get({ param })
    fs.renameSync(away, here)
    expect(await shown.json()).toEqual(result)
    expect(result.diff).toEqual({ files: 1, insertions: 1, deletions: 0 })
  })

  dockerTest('memory over its limit ends out_of_memory', async () => {
    const world = await open()
    world.write('tight.policy.yaml', 'version: 1\nlimits: { memory: 64MB }\n')
    const ended = await world.shell('head -c 300M /dev/zero | tail', {
      policyFile: join(world.repo, 'tight.policy.yaml'),
    })
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'out_of_memory', exit_code: 1 })
    expect(timelineOf(ended)).toEqual(WHOLE)
  })
})

describe('what is refused before there is a run', () => {
  const cases = [
    ['an image that is not there', { image: 'no-such-image:1' }, 'image_not_found'],
    ['a ref that is not there', { ref: 'nowhere' }, 'repository_invalid'],
    ['a blueprint that is not there', { blueprint: 'nothing' }, 'not_found'],
    ['a command that nobody reads', { blueprint: 'check' }, 'bad_request'],
  ] as const
  for (const [name, request, code] of cases)
    dockerTest(`submit() refuses ${name} and writes nothing`, async () => {
      const world = await open()
      await expect(world.submit({ command: ['true'], ...request })).rejects.toMatchObject({ code })
      const { runs } = await (await world.client.v1.runs.$get({ query: { limit: '9' } })).json()
      expect(runs).toEqual([])
      // A sandbox may have been started ahead; nothing of it is left.
      for (const place of ['work', 'pool'].map((name) => join(world.stateDir, name)))
        expect(fs.existsSync(place) ? fs.readdirSync(place) : []).toEqual([])
    })

  dockerTest('submit() refuses by name a stage that asks for the network', async () => {
    const world = await open()
    world.write(
      'net.yaml',
      `version: 1
name: net
description: Net
stages: [{ id: get, type: deterministic, action: run_command, with: { argv: ["true"] }, network: [example.org] }]
`,
    )
    const blueprint = join(world.repo, 'net.yaml')
    await expect(world.submit({ blueprint })).rejects.toMatchObject({
      code: 'policy_denied',
      message: expect.stringContaining('example.org'),
    })
  })
})
