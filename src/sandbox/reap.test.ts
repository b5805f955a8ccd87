import { expect, test } from 'vitest'
import { readLabels, writeLabels, type SandboxLabels } from './labels.ts'
import type { OwnerState } from './process-owner.ts'
import { reapReason } from './reap.ts'

const labels: SandboxLabels = {
  instance: 'a',
  run: 'run_1',
  sandbox: 'sbx_1',
  slot: 'run_1',
  expires: 1_000,
  owner: '1:2@x',
  confinement: 'c',
}
const given = (state: OwnerState, now: number, instance = 'a') => ({
  isLive: () => state,
  instance,
  now,
})

test.each([
  ['alive', 0, undefined],
  ['alive', 9_999, undefined],
  ['dead', 0, 'owner_dead'],
  ['unknown', 999, undefined],
  ['unknown', 1_001, 'expired'],
] as const)('reapReason() of an owner that is %s at %d is %s', (state, now, why) => {
  expect(reapReason(labels, true, given(state, now))).toBe(why)
})

test('reapReason() leaves what another installation may go on with until it ends or expires', () => {
  expect(reapReason(labels, true, given('dead', 999, 'b'))).toBeUndefined()
  expect(reapReason(labels, false, given('dead', 999, 'b'))).toBe('owner_dead')
  expect(reapReason(labels, true, given('dead', 1_001, 'b'))).toBe('owner_dead')
})

test('readLabels() reads back what writeLabels() wrote', () => {
  expect(readLabels(writeLabels(labels))).toEqual(labels)
})

test('readLabels() knows nothing of labels that are not whole', () => {
  const { 'openexec.expires': _, ...rest } = writeLabels(labels)
  expect(readLabels(rest)).toBeUndefined()
  expect(readLabels({ ...rest, 'openexec.expires': 'soon' })).toBeUndefined()
  expect(readLabels({})).toBeUndefined()
})
