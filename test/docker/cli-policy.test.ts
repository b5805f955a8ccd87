/** Policy, approvals and models as their user meets them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import {
  countRuns,
  errorOf,
  openexec,
  resultOf,
  testDirectory,
  testRepository,
} from '../helpers/cli.ts'
import { expectNothingLeft, newestRun } from '../helpers/cli-engine.ts'
import { dockerTest } from '../helpers/docker.ts'

function policyFile(text: string) {
  const place = testDirectory()
  const file = join(place.path, 'policy.yaml')
  writeFileSync(file, `version: 1\n${text}\n`)
  return { file, [Symbol.dispose]: () => place[Symbol.dispose]() }
}

const ASK =
  'rules:\n  - { id: ask-shell, capability: shell_exec, decision: require_approval, level: critical, reason: "Shells are looked at first" }'
const BLOCK =
  'rules:\n  - { id: no-shell, capability: shell_exec, decision: block, reason: "No shells here" }'

dockerTest('a policy that cannot be kept is refused by name, and no run comes of it', async () => {
  using repository = testRepository()
  const cwd = repository.path
  using secret = policyFile(
    'network: { allow: [a.test] }\nsecrets: [{ name: A_TOKEN, from: env, hosts: [a.test], as: { header: Authorization } }]',
  )
  const named = await openexec(['run', '--policy', secret.file, '--', 'true'], { cwd })
  expect(named).toMatchObject({ code: 2, stdout: '' })
  expect(named.stderr).toMatch(
    /secret "A_TOKEN": the variable A_TOKEN is not set[\s\S]*Set A_TOKEN/,
  )

  repository.write('openexec.policy.yaml', 'version: 1\nsandbox: danger_full_access\n')
  const found = await openexec(['run', '--json', '--', 'true'], { cwd })
  expect(found).toMatchObject({ code: 5, stderr: '' })
  expect(errorOf(found)).toMatchObject({
    code: 'policy_denied',
    hint: expect.stringContaining('--policy'),
  })
  expect(countRuns(repository)).toBe(0)
  await expectNothingLeft(repository)
})

dockerTest('what policy blocks ends with exit code 5, the rule and its reason', async () => {
  using repository = testRepository()
  using policy = policyFile(BLOCK)
  const args = ['run', '--json', '--policy', policy.file, '--image', 'base', '--', 'touch', 'x']
  const run = await openexec(args, { cwd: repository.path })
  expect(run.code).toBe(5)
  expect(resultOf(run)).toMatchObject({
    reason: 'policy_blocked',
    detail: /no-shell|No shells here/,
  })
  await expectNothingLeft(repository)
})

dockerTest('an approval is waited for, used once, and a refusal ends the run', async () => {
  using repository = testRepository()
  using policy = policyFile(ASK)
  const cwd = repository.path
  const ask = ['run', '--policy', policy.file, '--image', 'base', '--', 'echo', 'ran']
  const waiting = await openexec(ask, { cwd })
  expect(waiting).toMatchObject({ code: 4, stdout: '' })
  const id = await newestRun(cwd)
  expect(waiting.stderr).toContain(`openexec approve ${id}`)
  expect(waiting.stderr).toContain('Shells are looked at first')
  await expectNothingLeft(repository)

  const early = await openexec(['resume', id], { cwd })
  expect(early).toMatchObject({ code: 4, stdout: '' })
  expect(early.stderr).toMatch(/it waits for an approval[\s\S]*openexec reject/)
  expect((await openexec(['apply', id], { cwd })).code).toBe(1)

  expect((await openexec(['approve', id, '--reason', 'Looked at it'], { cwd })).code).toBe(0)
  expect((await openexec(['approve', id], { cwd })).code).not.toBe(0)
  expect(await openexec(['resume', id], { cwd })).toMatchObject({ code: 0, stdout: 'ran\n' })

  expect((await openexec(ask, { cwd })).code).toBe(4)
  const second = await newestRun(cwd)
  expect((await openexec(['reject', second], { cwd })).code).toBe(0)
  const rejected = await openexec(['resume', second], { cwd })
  expect(rejected).toMatchObject({ code: 5, stdout: '' })
  expect(rejected.stderr).toMatch(/Rejected by/)
  await expectNothingLeft(repository)
})

dockerTest('an approval with an edit runs the edited command, once, and nothing else', async () => {
  using repository = testRepository()
  using policy = policyFile(
    `${ASK}\n  - { id: no-rm, capability: shell_exec, decision: block, when: { argv: [[rm]] } }`,
  )
  using drafts = testDirectory()
  const cwd = repository.path
  const ask = ['run', '--policy', policy.file, '--image', 'base', '--', 'echo', 'asked']
  expect((await openexec(ask, { cwd })).code).toBe(4)
  const id = await newestRun(cwd)
  const draft = (text: string) => {
    const file = join(drafts.path, 'edit.yaml')
    writeFileSync(file, text)
    return ['approve', id, '--edit', file]
  }
  const blocked = await openexec(draft('argv: [rm, -rf, /workspace]'), { cwd })
  expect(blocked).toMatchObject({ code: 5, stdout: '' })
  expect(blocked.stderr).toContain('policy blocks the new command')
  for (const text of ['argv: [echo, asked]', 'argv: echo'])
    expect((await openexec(draft(text), { cwd })).code, text).toBe(2)
  const editor = (change: string) => ({ cwd, env: { VISUAL: '', EDITOR: change } })
  const edit = ['approve', id, '--edit']
  expect((await openexec(edit, editor('true'))).stderr).toContain('nothing was changed')
  expect((await openexec(edit, editor(''))).stderr).toContain('none is set')
  expect((await openexec(['resume', id], { cwd })).code).toBe(4)

  const approved = await openexec(edit, editor('sed -i s/asked/edited/'))
  expect(approved).toMatchObject({ code: 0, stdout: expect.stringContaining('with the edit') })
  expect(await openexec(['resume', id], { cwd })).toMatchObject({ code: 0, stdout: 'edited\n' })
  const { stdout: events } = await openexec(['events', id, '--json'], { cwd })
  expect(events).toMatch(/"edited_by":"operator"/)
  expect(events).toMatch(/"edited_request_hash":"[0-9a-f]{64}"/)
  expect((await openexec(['replay', id], { cwd })).code).toBe(0)
  expect((await openexec(['compare', id, id], { cwd })).code).toBe(0)
})

dockerTest(
  'an agent blueprint without a model ends with exit code 3 and what to pass',
  async () => {
    using repository = testRepository()
    const cwd = repository.path
    const { code, stdout } = await openexec(['run', 'backend_bugfix', '--task', 'Fix it'], { cwd })
    expect(code).toBe(3)
    expect(stdout).toMatch(/failed \(no_model_configured\), exit code 3\n.*--model-script FILE/)
    await expectNothingLeft(repository)
  },
)

dockerTest('read_only lets a command look and change nothing', async () => {
  using repository = testRepository()
  const args = ['run', '--sandbox', 'read_only', '--image', 'base', '--', 'sh', '-c', 'ls; touch x']
  const run = await openexec(args, { cwd: repository.path })
  expect(run).toMatchObject({ code: 1, stdout: 'README.md\n' })
  expect(run.stderr).toMatch(/touch: .*Read-only file system/)
})
