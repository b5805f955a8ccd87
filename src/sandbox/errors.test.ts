import { expect, test } from 'vitest'
import { OpenExecError } from '../schema/index.ts'
import { engineError, isGone } from './errors.ts'

const failure = { action: 'inspect image "x"', missing: 'image_not_found' } as const
const answered = (statusCode: number) => Object.assign(new Error('no such thing'), { statusCode })
const broken = (code: string) => Object.assign(new Error('connect'), { code })

test.each([
  [answered(404), 'image_not_found'],
  [answered(409), 'engine_failed'],
  [answered(400), 'engine_failed'],
  [answered(500), 'engine_failed'],
  [broken('ECONNREFUSED'), 'engine_unavailable'],
  [broken('ENOENT'), 'engine_unavailable'],
  [broken('ECONNRESET'), 'engine_unavailable'],
  [broken('HPE_INVALID_CONSTANT'), 'engine_failed'],
  [new Error('socket hang up'), 'engine_failed'],
  ['text', 'engine_failed'],
])('engineError() tells %s as the right code', (cause, code) => {
  const error = engineError(failure, cause)
  expect(error).toMatchObject({ code, cause })
  expect(error.message).toMatch(/^Cannot inspect image "x": /)
})

test('engineError() passes failures of our own unchanged', () => {
  const own = new OpenExecError('cancelled', 'Cannot go on')
  expect(engineError(failure, own)).toBe(own)
})

test('engineError() does not read the text of the message', () => {
  const lie = Object.assign(new Error('404 no such container'), { statusCode: 500 })
  expect(engineError(failure, lie).code).toBe('engine_failed')
})

test('isGone() sees a 404 through our own error', () => {
  expect(isGone(answered(404))).toBe(true)
  expect(isGone(engineError(failure, answered(404)))).toBe(true)
  expect(isGone(answered(409))).toBe(false)
})
