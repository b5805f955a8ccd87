import { expect, test } from 'vitest'
import { createCapacity, thisMachine } from './capacity.ts'

const GIB = 1024 ** 3
const machine = { cpus: 2, memory: 8 * GIB, free: () => 4 * GIB }

test('createCapacity() goes by processors or memory, whichever is less', () => {
  expect(createCapacity(machine, undefined).max).toBe(8)
  expect(createCapacity({ ...machine, memory: GIB }, undefined).max).toBe(2)
  expect(createCapacity({ ...machine, memory: 1 }, undefined).max).toBe(1)
})

test('createCapacity() begins nothing beside a run while memory is short', () => {
  const short = createCapacity({ ...machine, free: () => 1 }, undefined)
  expect([short.admits(0), short.admits(1)]).toEqual([true, false])
  expect(createCapacity(machine, undefined).admits(7)).toBe(true)
  expect(createCapacity(machine, undefined).admits(8)).toBe(false)
})

test('createCapacity() believes the operator', () => {
  const wanted = createCapacity({ ...machine, free: () => 1 }, 20)
  expect([wanted.max, wanted.admits(19), wanted.admits(20)]).toEqual([20, true, false])
})

test('thisMachine() sees what there is', () => {
  const { cpus, memory, free } = thisMachine()
  expect(cpus).toBeGreaterThan(0)
  expect(free()).toBeGreaterThan(0)
  expect(memory).toBeGreaterThan(100 * 1024 * 1024)
})
