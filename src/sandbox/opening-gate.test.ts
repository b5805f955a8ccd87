import { expect, test } from 'vitest'
import { createOpeningGate } from './opening-gate.ts'

const never = new AbortController().signal

function held() {
  let release: () => void = () => {}
  const done = new Promise<void>((resolve) => {
    release = resolve
  })
  return { done, release }
}

test('createOpeningGate() lets so many pass at once, and the others in their order', async () => {
  const gate = createOpeningGate(2)
  const works = [held(), held(), held(), held()]
  const begun: number[] = []
  const all = works.map((work, index) =>
    gate.pass(async () => {
      begun.push(index)
      await work.done
    }, never),
  )
  await Promise.resolve()
  expect(begun).toEqual([0, 1])
  expect(gate.busy).toBe(4)
  works[1]?.release()
  await all[1]
  await Promise.resolve()
  expect(begun).toEqual([0, 1, 2])
  for (const work of works) work.release()
  await Promise.all(all)
  expect(begun).toEqual([0, 1, 2, 3])
  expect(gate.busy).toBe(0)
})

test('createOpeningGate() gives up a turn nobody waits for any more', async () => {
  const gate = createOpeningGate(1)
  const first = held()
  const passing = gate.pass(() => first.done, never)
  const giveUp = new AbortController()
  const waiting = gate.pass(async () => 'late', giveUp.signal)
  giveUp.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
  first.release()
  await passing
  await expect(gate.pass(async () => 'next', never)).resolves.toBe('next')
  await expect(gate.pass(async () => 'no', giveUp.signal)).rejects.toMatchObject({
    code: 'cancelled',
  })
})

test('createOpeningGate() frees the place of work that failed', async () => {
  const gate = createOpeningGate(1)
  await expect(gate.pass(() => Promise.reject(new Error('no')), never)).rejects.toThrow('no')
  await expect(gate.pass(async () => 1, never)).resolves.toBe(1)
})
