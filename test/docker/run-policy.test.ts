import { join } from 'node:path'
import { describe, expect } from 'vitest'
import type { RunRequest } from '../../src/schema/index.ts'
import { dockerTest } from '../helpers/docker.ts'
import { text, timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type RunWorld, runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()

const DENY = `version: 1
paths: { deny_write: [".github/**", "*.lock"] }
`

async function openWith(policy: string, files: Record<string, string> = {}) {
  const world = await open({ '.github/ci.yml': 'on: push\n', 'a.txt': 'a\n', ...files })
  world.write('run.policy.yaml', policy)
  const policyFile = join(world.repo, 'run.policy.yaml')
  return { world, policyFile }
}

function blueprint(world: RunWorld, stages: string): string {
  world.write('run.yaml', `version: 1\nname: test\ndescription: Test\nstages:\n${stages}`)
  return join(world.repo, 'run.yaml')
}

describe('path rules', () => {
  const attacks = [
    ['writes a denied file', 'echo x > .github/ci.yml'],
    ['adds one', 'echo x > .github/new.yml'],
    ['deletes one', 'rm .github/ci.yml'],
    ['renames the directory above it', 'mv .github other'],
    ['replaces the directory by a link', 'rm -r .github && ln -s /tmp .github'],
    ['denies it and fails', 'echo x > a.lock; exit 1'],
  ] as const
  for (const [name, script] of attacks)
    dockerTest(`a command that ${name} ends policy_violation, kept and never applied`, async () => {
      const { world, policyFile } = await openWith(DENY)
      const ended = await world.shell(`${script}`, { policyFile })
      expect(ended.result).toMatchObject({ reason: 'policy_violation', exit_code: 5 })
      expect(ended.ends).toEqual(['run_command.1 blocked policy_violation'])
      expect(await world.diff(ended.run)).not.toBe('')
      const before = world.git('status', '--porcelain')
      const param = { id: ended.run.id }
      const answer = await world.client.v1.runs[':id'].apply.$post({ param })
      expect([answer.status, await answer.json()]).toMatchObject([
        403,
        { error: { code: 'policy_denied' } },
      ])
      expect(world.git('status', '--porcelain')).toBe(before)
      expect(timelineOf(ended)).toEqual(WHOLE)
    })

  dockerTest('the same commands are fine where nothing is denied', async () => {
    const world = await open({ '.github/ci.yml': 'on: push\n' })
    const ended = await world.shell('echo x > .github/ci.yml; echo x > a.lock')
    expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 2 } })
    const param = { id: ended.run.id }
    expect((await world.client.v1.runs[':id'].apply.$post({ param })).status).toBe(200)
    expect(world.git('status', '--porcelain')).toContain('M .github/ci.yml')
  })

  dockerTest('a violation ends the run before the next stage', async () => {
    const { world, policyFile } = await openWith(DENY)
    const path = blueprint(
      world,
      `  - { id: first, type: deterministic, action: run_command, with: { argv: [sh, -c, "echo x > a.lock"] } }
  - { id: second, type: deterministic, action: run_command, with: { argv: [rm, a.lock] } }
`,
    )
    const ended = await world.run({ blueprint: path, policyFile })
    expect(ended.ends).toEqual(['first.1 blocked policy_violation'])
  })

  dockerTest(
    'commits made inside are kept in repo_write, and the tree is what the files are',
    async () => {
      const world = await open()
      const script =
        'echo 1 > one; git add one; git commit -qm one; echo 2 > two; git log --oneline | wc -l'
      const ended = await world.shell(script, { sandbox: 'repo_write' })
      expect(ended.stdout.trim()).toBe('2')
      expect(ended.result.diff.files).toBe(2)
      const notice = ended.events.find(({ payload }) => payload['kind'] === 'commits')
      expect(notice?.payload).toMatchObject({ count: 1, descends: true })
      const plain = await world.shell(script)
      expect(plain.events.filter(({ payload }) => payload['kind'] === 'commits')).toEqual([])
    },
  )
})

describe('approvals', () => {
  const danger: Partial<RunRequest> = {
    command: ['sh', '-c', 'id -u; echo made > made'],
    sandbox: 'danger_full_access',
  }

  dockerTest(
    'danger_full_access waits, runs once it is approved, and asks again the next time',
    async () => {
      const world = await open()
      const first = await world.run(danger)
      expect(first.result).toMatchObject({ status: 'awaiting_approval', exit_code: 4 })
      expect(first.types).not.toContain('sandbox_started')
      expect(timelineOf(first)).toMatchObject({ runCompleted: 0, last: 'run_paused', openSteps: 0 })
      await expect(world.resume(first.run)).rejects.toMatchObject({ code: 'approval_required' })
      await world.decide(first.run, true)
      const second = await world.resume(first.run)
      expect(second.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
      expect(second.ends).toEqual([
        'run_command.1 awaiting_approval approval_required',
        'run_command.2 succeeded',
      ])
      expect(timelineOf(second)).toEqual(WHOLE)
      const other = await world.run(danger)
      expect(other.result.status).toBe('awaiting_approval')
      await world.cancel(other.run)
    },
  )

  dockerTest('a rejection ends the run when it goes on, and nothing of it happens', async () => {
    const world = await open()
    const first = await world.run(danger)
    await world.decide(first.run, false)
    const second = await world.resume(first.run)
    expect(second.result).toMatchObject({ reason: 'approval_rejected', exit_code: 5 })
    expect(second.types).not.toContain('command_started')
    expect(timelineOf(second)).toEqual(WHOLE)
    await expect(world.decide(first.run, true)).rejects.toMatchObject({ code: 'conflict' })
    await expect(world.resume(first.run)).rejects.toMatchObject({ code: 'conflict' })
  })

  dockerTest('a run that waits can be cancelled, and is over then', async () => {
    const world = await open()
    const { run } = await world.run(danger)
    await expect(world.cancel(run)).resolves.toMatchObject({ status: 'cancelled' })
    const ended = await world.follow(run)
    expect(timelineOf(ended)).toEqual(WHOLE)
    await expect(world.resume(run)).rejects.toMatchObject({ code: 'conflict' })
  })

  dockerTest('a stage and its action are asked for together', async () => {
    const { world, policyFile } = await openWith(
      'version: 1\nrules: [{ id: ask, capability: shell_exec, decision: require_approval }]\n',
    )
    const path = blueprint(
      world,
      '  - { id: ask, type: deterministic, action: run_command, with: { argv: ["true"] }, approval_required: true }\n',
    )
    const { run } = await world.run({ blueprint: path, policyFile })
    const asked = await world.follow(run)
    const requests = asked.events.filter(({ type }) => type === 'approval_requested')
    expect(requests.map(({ payload }) => payload['subject'])).toEqual(['stage ask', 'run_command'])
    for (const { volatile } of requests)
      await world.client.v1.runs[':id'].decide.$post({
        param: { id: run.id },
        json: { approve: true, approval: text(volatile['approval']) },
      })
    const ended = await world.resume(run)
    expect(ended.result.status).toBe('succeeded')
    expect(ended.events.filter(({ type }) => type === 'approval_requested')).toHaveLength(2)
  })

  dockerTest('a path that a person approved is no violation, any other is', async () => {
    const { world, policyFile } = await openWith(
      'version: 1\nrules: [{ id: ask, capability: repo_write, decision: require_approval, when: { path: ["*.lock"] } }]\n',
    )
    const patch =
      'diff --git a/a.lock b/a.lock\nnew file mode 100644\n--- /dev/null\n+++ b/a.lock\n@@ -0,0 +1 @@\n+x\n'
    const path = blueprint(world, '  - { id: patch, type: deterministic, action: apply_patch }\n')
    const first = await world.run({ blueprint: path, policyFile, inputs: { patch } })
    expect(first.result.status).toBe('awaiting_approval')
    await world.decide(first.run, true)
    const second = await world.resume(first.run)
    expect(second.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    const shell = await world.shell('echo y > b.lock', { policyFile })
    expect(shell.result.reason).toBe('policy_violation')
  })
})

describe('policy', () => {
  dockerTest('a capability that is blocked ends policy_blocked before any sandbox', async () => {
    const { world, policyFile } = await openWith(
      'version: 1\nrules: [{ id: no-shell, capability: shell_exec, decision: block, reason: "No shells" }]\n',
    )
    const ended = await world.shell('true', { policyFile })
    expect(ended.result).toMatchObject({ reason: 'policy_blocked', exit_code: 5 })
    expect(ended.result.detail).toContain('No shells')
    expect(ended.types).not.toContain('sandbox_started')
    expect(timelineOf(ended)).toEqual(WHOLE)
  })
})
