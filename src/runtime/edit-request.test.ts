import { expect, test } from 'vitest'
import { testRun } from '../../test/helpers/state.ts'
import type { FrozenRun } from '../blueprint/index.ts'
import { readPolicy } from '../policy/index.ts'
import { ApprovalEdit, ApprovalId, hashJson, type JsonObject } from '../schema/index.ts'
import type { Approval } from '../state/index.ts'
import { editRequest } from './edit-request.ts'

const { id } = testRun()
const policy = readPolicy({
  file: 'p.yaml',
  text: 'version: 1\nrules: [{ id: no-rm, capability: shell_exec, decision: block, when: { argv: [[rm]] } }]\n',
})
// An edit looks at the modes and the policy of a run, and at nothing else.
const frozen = {
  policy,
  policyHash: hashJson('policy'),
  plan: { stages: [] },
} as unknown as FrozenRun

function asked(request: JsonObject): Approval {
  return {
    id: ApprovalId.parse('appr_0000000000000001'),
    runId: id,
    stage: 'command',
    capability: 'shell_exec',
    level: 'risky',
    requestHash: hashJson(request),
    request,
    status: 'pending',
    createdAt: 1,
    expiresAt: 2,
  }
}

const COMMAND = {
  stage: 'command',
  subject: 'run_command',
  capability: 'shell_exec',
  resource: { kind: 'argv', argv: ['npm', 'test'] },
  tree: 'tree-1',
}

test('editRequest() gives the edited request a hash of its own, over everything else as it was', () => {
  const edited = editRequest(id, asked(COMMAND), { edit: { argv: ['npm', 'ci'] }, frozen })
  expect(edited.asked).toEqual({ ...COMMAND, resource: { kind: 'argv', argv: ['npm', 'ci'] } })
  expect(edited.requestHash).toBe(hashJson({ ...edited.asked, run: id, policy: frozen.policyHash }))
  expect(edited.requestHash).not.toBe(hashJson(COMMAND))
})

test.each([
  ['what policy blocks', COMMAND, ['rm', '-rf', '/'], 'policy_denied'],
  ['nothing', COMMAND, ['npm', 'test'], 'bad_request'],
  ['the tests of a repository', { ...COMMAND, subject: 'run_tests' }, ['true'], 'bad_request'],
  [
    'a path',
    { ...COMMAND, resource: { kind: 'path', path: 'a', access: 'write' } },
    ['true'],
    'bad_request',
  ],
])('editRequest() refuses to change %s', (_what, request, argv, code) => {
  expect(() => editRequest(id, asked(request), { edit: { argv }, frozen })).toThrow(
    expect.objectContaining({ code }),
  )
})

test.each([[[]], [['a\0b']], [['x'.repeat(131_073)]], ['npm test'], [[1]]])(
  'ApprovalEdit refuses %j',
  (argv) => {
    expect(ApprovalEdit.safeParse({ argv }).success).toBe(false)
  },
)
