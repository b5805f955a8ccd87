import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { ownerState, processOwner } from './process-owner.ts'

test('ownerState() knows this process as alive', () => {
  expect(ownerState(processOwner())).toBe('alive')
})

test('ownerState() tells a killed process, and its pid in use by another, as dead', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  const owner = processOwner(child.pid)
  expect(ownerState(owner)).toBe('alive')
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(ownerState(owner)).toBe('dead')
  expect(ownerState(processOwner().replace(/:\d+@/, ':1@'))).toBe('dead')
})

test('ownerState() cannot tell of a process on another machine', () => {
  expect(ownerState(processOwner().replace(/@.*/, '@0123456789abcdef'))).toBe('unknown')
})

test.each(['', '1:2', 'x', '0:1@0123456789abcdef', '-1:1@0123456789abcdef'])(
  'ownerState() cannot tell of "%s"',
  (owner) => {
    expect(ownerState(owner)).toBe('unknown')
  },
)
