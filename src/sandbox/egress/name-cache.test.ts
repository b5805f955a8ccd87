import { expect, test } from 'vitest'
import { createNameCache } from './name-cache.ts'

const never = new AbortController().signal
const failure = (code: string) => Object.assign(new Error(code), { code })

test('createNameCache() asks once for many who ask at once, and again after seconds', async () => {
  let [asked, now] = [0, 0]
  const resolve = createNameCache(
    async () => [`20.0.0.${++asked}`],
    () => now,
  )
  const all = await Promise.all(Array.from({ length: 50 }, () => resolve('a.test', never)))
  expect(new Set(all.flat())).toEqual(new Set(['20.0.0.1']))
  expect(await resolve('b.test', never)).toEqual(['20.0.0.2'])
  now = 4_999
  expect(await resolve('a.test', never)).toEqual(['20.0.0.1'])
  now = 5_001
  expect(await resolve('a.test', never)).toEqual(['20.0.0.3'])
})

test('createNameCache() tries again where the resolver stumbled, and not where it answered', async () => {
  const errors = ['ESERVFAIL', 'ETIMEOUT']
  const resolve = createNameCache(
    async () => {
      const code = errors.shift()
      if (code !== undefined) throw failure(code)
      return ['20.0.0.1']
    },
    () => 0,
  )
  expect(await resolve('a.test', never)).toEqual(['20.0.0.1'])
  let asked = 0
  const absent = createNameCache(
    async () => {
      asked++
      throw failure('ENOTFOUND')
    },
    () => 0,
  )
  await expect(absent('a.test', never)).rejects.toMatchObject({ code: 'ENOTFOUND' })
  await expect(absent('a.test', never)).rejects.toMatchObject({ code: 'ENOTFOUND' })
  expect(asked).toBe(2)
})

test('createNameCache() lets go of one who does not wait any more, and of no other', async () => {
  const answers: ((answer: string[]) => void)[] = []
  const resolve = createNameCache(
    () => new Promise((done) => void answers.push(done)),
    () => 0,
  )
  const stop = new AbortController()
  const impatient = resolve('a.test', stop.signal)
  const patient = resolve('a.test', never)
  stop.abort(new Error('enough'))
  await expect(impatient).rejects.toThrow('enough')
  answers[0]?.(['20.0.0.1'])
  expect(await patient).toEqual(['20.0.0.1'])
  expect(answers).toHaveLength(1)
})
