import { expect, test } from 'vitest'
import { once } from './once.ts'

const never = new AbortController().signal
const options = { timeoutMs: 5_000 }

test('once() asks a single time, also for callers at the same moment', async () => {
  let asked = 0
  const question = once(async () => ++asked, options)
  expect(await Promise.all([question.get(never), question.get(never)])).toEqual([1, 1])
  expect(await question.get(never)).toBe(1)
})

test('once() asks again after a failure and after it was told to forget', async () => {
  let asked = 0
  const question = once(async () => {
    if (++asked === 1) throw new Error('first')
    return asked
  }, options)
  await expect(question.get(never)).rejects.toThrow('first')
  expect(await question.get(never)).toBe(2)
  question.forget()
  expect(await question.get(never)).toBe(3)
})

test('once() ends for the caller who gave up and goes on for the other', async () => {
  const controller = new AbortController()
  let answer: (value: number) => void = () => {}
  const question = once(() => new Promise<number>((resolve) => (answer = resolve)), options)
  const first = question.get(controller.signal)
  const second = question.get(never)
  controller.abort()
  await expect(first).rejects.toMatchObject({ code: 'cancelled' })
  answer(7)
  expect(await second).toBe(7)
})
