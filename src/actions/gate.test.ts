import { expect, test } from 'vitest'
import { countingIds, openTestState, seedRun } from '../../test/helpers/state.ts'
import { defaultPolicy, type Policy } from '../policy/index.ts'
import { hashJson, type NewEvent, type PolicyRequest } from '../schema/index.ts'
import { decideApproval, listApprovals } from '../state/index.ts'
import { type Ask, askPolicy } from './gate.ts'

function openGate(rules: Policy['rules']) {
  const state = openTestState()
  const { id: runId } = seedRun(state)
  const newId = countingIds()
  const events: NewEvent[] = []
  const clock = { now: 1000 }
  const policy = { ...defaultPolicy(), rules }
  const deps = { state, policy, policyHash: hashJson('policy'), newId, now: () => clock.now }
  const append = (_tx: unknown, given: readonly NewEvent[]) => void events.push(...given)
  const gate = (asks: readonly Ask[], tree = 'tree-1') =>
    askPolicy({ ...deps, append }, asks, { runId, attempt: 1, tree }).map(
      ({ decision }) => decision,
    )
  const approvals = () => listApprovals(state.db, runId)
  const decide = (index: number, decision: 'approved' | 'rejected') => {
    const approval = approvals()[index]
    if (approval === undefined) throw new Error(`No approval ${index}`)
    const vote = { decision, reason: 'because', by: 'ann', now: clock.now } as const
    decideApproval(state.db, approval.id, vote)
  }
  const statuses = () => approvals().map(({ status }) => status)
  return {
    gate,
    decide,
    statuses,
    events,
    clock,
    approvals,
    [Symbol.dispose]: () => state[Symbol.dispose](),
  }
}

const ASK_WRITES: Policy['rules'] = [
  { id: 'ask', capability: 'repo_write', decision: 'require_approval', level: 'risky' },
  { id: 'no', capability: 'repo_write', decision: 'block', when: { path: ['locked/**'] } },
]

function write(path: string): Ask {
  const resource = { kind: 'path', path, access: 'write' } as const
  const about = { mode: 'workspace_write', stage: 'apply', subject: 'apply_patch' } as const
  return { request: { capability: 'repo_write', resource, ...about }, approval: undefined }
}

test('askPolicy() asks a person for all that is missing at once, and only once', () => {
  using world = openGate(ASK_WRITES)
  expect(world.gate([write('a'), write('b')])).toEqual(['require_approval', 'require_approval'])
  expect(world.gate([write('a'), write('b')])).toEqual(['require_approval', 'require_approval'])
  expect(world.statuses()).toEqual(['pending', 'pending'])
  expect(world.events.filter(({ type }) => type === 'approval_requested')).toHaveLength(2)
})

test('askPolicy() uses approvals up only when nothing is missing any more', () => {
  using world = openGate(ASK_WRITES)
  const both = [write('a'), write('b')]
  world.gate(both)
  world.decide(0, 'approved')
  expect(world.gate(both)).toEqual(['allow', 'require_approval'])
  expect(world.statuses()).toEqual(['approved', 'pending'])
  world.decide(1, 'approved')
  expect(world.gate(both)).toEqual(['allow', 'allow'])
  expect(world.statuses()).toEqual(['consumed', 'consumed'])
  expect(world.gate(both)).toEqual(['require_approval', 'require_approval'])
})

test('askPolicy() asks nobody for what a rule blocks anyway', () => {
  using world = openGate(ASK_WRITES)
  expect(world.gate([write('a'), write('locked/b')])).toEqual(['require_approval', 'block'])
  expect(world.statuses()).toEqual([])
})

test('askPolicy() needs one approval for the same thing asked twice', () => {
  using world = openGate(ASK_WRITES)
  world.gate([write('a'), write('a')])
  expect(world.statuses()).toEqual(['pending'])
  world.decide(0, 'approved')
  expect(world.gate([write('a'), write('a')])).toEqual(['allow', 'allow'])
})

test('askPolicy() takes no approval of another tree, and none that has expired', () => {
  using world = openGate(ASK_WRITES)
  world.gate([write('a')])
  world.decide(0, 'approved')
  expect(world.gate([write('a')], 'tree-2')).toEqual(['require_approval'])
  world.clock.now += 24 * 3_600_000
  expect(world.gate([write('a')])).toEqual(['require_approval'])
  expect(world.statuses()).toEqual(['approved', 'pending', 'pending'])
})

test('askPolicy() asks anew when nobody answered in time', () => {
  using world = openGate(ASK_WRITES)
  world.gate([write('a')])
  world.clock.now += 24 * 3_600_000
  expect(world.gate([write('a')])).toEqual(['require_approval'])
  expect(world.approvals()).toHaveLength(2)
})

test('askPolicy() takes a rejection for a block, with the words of who rejected', () => {
  using world = openGate(ASK_WRITES)
  world.gate([write('a')])
  world.decide(0, 'rejected')
  expect(world.gate([write('a')])).toEqual(['block'])
  expect(world.events.at(-1)?.payload).toMatchObject({
    decision: 'block',
    matched: ['ask', 'builtin:approval'],
    reason: 'Rejected by ann: because',
  })
})

test('askPolicy() asks where a blueprint wishes it, and never instead of a block', () => {
  using world = openGate(ASK_WRITES)
  const approval = { by: 'blueprint:approval_required', reason: 'Wanted' }
  const read: PolicyRequest = {
    ...write('a').request,
    capability: 'repo_read',
    resource: { kind: 'name', name: 'stage' },
  }
  expect(world.gate([{ request: read, approval }])).toEqual(['require_approval'])
  expect(world.gate([{ ...write('locked/x'), approval }])).toEqual(['block'])
})

test('askPolicy() fits an argv of any length into its events', () => {
  using world = openGate([
    { id: 'ask', capability: 'shell_exec', decision: 'require_approval', level: 'critical' },
  ])
  const argv = ['sh', '-c', 'x'.repeat(120_000)]
  const request = { ...write('a').request, capability: 'shell_exec' as const }
  world.gate([{ request: { ...request, resource: { kind: 'argv', argv } }, approval: undefined }])
  expect(world.events.map(({ type }) => type)).toEqual(['approval_requested', 'policy_check'])
  for (const { payload } of world.events) {
    expect(JSON.stringify(payload).length).toBeLessThan(4000)
    expect(payload['resource']).toMatchObject({ argv_hash: hashJson(argv) })
  }
})
