import { expect, test } from 'vitest'
import { ERROR_TABLE, type ErrorCode, exitCodeOf, OpenExecError } from '../schema/index.ts'
import { endOfAbort, endOfError, verdictOf } from './outcome.ts'

const error = (code: ErrorCode, details = {}) => new OpenExecError(code, 'Cannot', { details })
const codes = Object.keys(ERROR_TABLE) as ErrorCode[]

test('endOfError() tells a bug from a known failure', () => {
  expect(endOfError(new TypeError('x is not a function'))).toEqual({
    status: 'failed',
    reason: 'internal',
    detail: 'Internal error: x is not a function',
  })
  expect(endOfError('thrown text')).toMatchObject({ reason: 'internal' })
})

test('endOfError() gives a run the exit code that its error has', () => {
  const different = codes.filter(
    (code) => exitCodeOf(endOfError(error(code))) !== ERROR_TABLE[code].exit,
  )
  // What is only told before a run begins, or means another thing inside of one.
  expect(different).toEqual([
    'unauthenticated',
    'forbidden',
    'not_found',
    'too_large',
    'conflict',
    'repository_invalid',
    'repository_unsafe',
    'blueprint_invalid',
    'policy_invalid',
  ])
})

test('endOfError() takes the reason an error names', () => {
  expect(endOfError(error('sandbox_lost', { reason: 'disk_limit' })).reason).toBe('disk_limit')
  expect(endOfError(error('sandbox_lost', { reason: 'made_up' })).reason).toBe('sandbox_lost')
})

test('endOfError() takes a workspace over its limits for a finding, a slow host for a crash', () => {
  const over = endOfError(error('workspace_failed', { limit: 'entries' }))
  expect([over.reason, verdictOf(over)]).toEqual(['disk_limit', 'failed'])
  const slow = endOfError(error('workspace_failed', { limit: 'wall' }))
  expect([slow.reason, verdictOf(slow)]).toEqual(['workspace_failed', 'error'])
})

test('endOfAbort() tells the deadline of the run from a request to stop', () => {
  const abort = (reason?: unknown) => endOfAbort(AbortSignal.abort(reason))
  expect(abort(error('timed_out'))).toMatchObject({ status: 'failed', reason: 'wall_limit' })
  expect(abort(error('cancelled'))).toMatchObject({ status: 'cancelled', reason: 'cancelled' })
  expect(abort()).toMatchObject({ status: 'cancelled', reason: 'cancelled' })
  expect(abort(error('state_unusable'))).toMatchObject({ status: 'failed', reason: 'state_failed' })
})

test('verdictOf() repeats only what another attempt could change', () => {
  const verdicts = Object.fromEntries(
    codes.map((code): [string, string] => [code, verdictOf(endOfError(error(code)))]),
  )
  expect(verdicts).toMatchObject({
    sandbox_lost: 'error',
    engine_failed: 'error',
    workspace_failed: 'error',
    internal: 'error',
    timed_out: 'timed_out',
    image_not_found: 'failed',
    patch_rejected: 'failed',
    config_invalid: 'failed',
    policy_denied: 'blocked',
    confinement_weaker: 'blocked',
    confinement_unsupported: 'blocked',
    cancelled: 'cancelled',
    approval_required: 'awaiting_approval',
    budget_exceeded: 'budget_exceeded',
  })
})
