import { expect, test } from 'vitest'
import { OpenExecError } from '../schema/index.ts'
import { engineCall } from './engine-call.ts'

const call = (signal: AbortSignal, timeoutMs = 5_000) => ({
  action: 'start "x"',
  missing: 'sandbox_lost' as const,
  timeoutMs,
  signal,
})
const never = new AbortController().signal
const hang = () => new Promise<never>(() => {})

test('engineCall() gives the answer', async () => {
  expect(await engineCall(call(never), async () => 7)).toBe(7)
})

test('engineCall() ends a call that never answers', async () => {
  await expect(engineCall(call(never, 5), hang)).rejects.toMatchObject({
    code: 'engine_failed',
    message: 'Cannot start "x": the engine gave no answer within 5 ms',
  })
})

test('engineCall() takes a limit of its caller for a limit, and not for a wish to end', async () => {
  await expect(engineCall(call(AbortSignal.timeout(5)), hang)).rejects.toMatchObject({
    code: 'engine_failed',
    message: 'Cannot start "x": the engine gave no answer in time',
  })
})

test('engineCall() ends a call that ignores the abort of its caller', async () => {
  const controller = new AbortController()
  const pending = engineCall(call(controller.signal), hang)
  controller.abort()
  await expect(pending).rejects.toMatchObject({ code: 'cancelled' })
})

test('engineCall() asks nothing when the caller has already given up', async () => {
  let asked = false
  const pending = engineCall(call(AbortSignal.abort()), async () => {
    asked = true
  })
  await expect(pending).rejects.toMatchObject({ code: 'cancelled' })
  expect(asked).toBe(false)
})

test('engineCall() passes on why the caller gave up', async () => {
  const reason = new OpenExecError('timed_out', 'Cannot go on')
  await expect(engineCall(call(AbortSignal.abort(reason)), hang)).rejects.toBe(reason)
})

test('engineCall() hands the work a signal that also ends with the limit', async () => {
  let given: AbortSignal | undefined
  await expect(
    engineCall(call(never, 5), (signal) => {
      given = signal
      return hang()
    }),
  ).rejects.toMatchObject({ code: 'engine_failed' })
  expect(given?.aborted).toBe(true)
})

test('engineCall() tells a refusal in our words', async () => {
  const refusal = Object.assign(new Error('no such container'), { statusCode: 404 })
  await expect(engineCall(call(never), () => Promise.reject(refusal))).rejects.toMatchObject({
    code: 'sandbox_lost',
  })
})
