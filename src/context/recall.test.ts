import { expect, test } from 'vitest'
import { churnOf } from './churn.ts'
import { recallOf, taskOf } from './recall.ts'

test('recallOf() counts what stands among the first ten', () => {
  const ranked = Array.from({ length: 12 }, (_, at) => `f${at}`)
  const samples = [
    { ranked, changed: new Set(['f1', 'f11']) },
    { ranked, changed: new Set(['f0']) },
    { ranked: [], changed: new Set(['f0']) },
  ]
  expect(recallOf(samples)).toEqual({ recall_at_10: 0.5, mrr: 0.5 })
})

test('taskOf() passes over commits that ask nothing of a ranking', () => {
  const files = new Set(['a', 'b'])
  const message = 'Fix the sum of lists\n\nSigned-off-by: A <a@b.c>'
  expect(taskOf({ message, paths: ['a', 'gone'] }, files)).toEqual({
    query: 'Fix the sum of lists',
    changed: new Set(['a']),
  })
  expect(taskOf({ message, paths: ['gone'] }, files)).toBeUndefined()
  expect(taskOf({ message: 'wip', paths: ['a'] }, files)).toBeUndefined()
  const many = Array.from({ length: 21 }, (_, at) => `f${at}`)
  expect(taskOf({ message, paths: many }, new Set(many))).toBeUndefined()
})

test('churnOf() weighs newer commits more and leaves out those that touch everything', () => {
  const everything = Array.from({ length: 51 }, (_, at) => `f${at}`)
  const churn = churnOf([{ paths: ['a', 'b'] }, { paths: ['a'] }, { paths: everything }])
  expect(churn.get('a')).toBe(1)
  expect(churn.get('b')).toBeLessThan(1)
  expect(churn.has('f0')).toBe(false)
  expect(churnOf([])).toEqual(new Map())
})
