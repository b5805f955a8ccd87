import { expect, test } from 'vitest'
import { createStuckDetector } from './agent-stuck.ts'

const turn = (name: string, text: string) => [
  {
    call: { id: 'x', name, args: {} },
    result: {
      callId: 'x',
      name,
      ok: true,
      failure: undefined,
      text,
      kept: undefined,
      outputBytes: 0,
      finish: undefined,
      durationMs: Math.random(),
    },
  },
]

function circles(...turns: [string, string][]): boolean[] {
  const detector = createStuckDetector()
  return turns.map(([name, text]) => detector.take(turn(name, text)) !== undefined)
}

test('take() sees the third equal turn in a row', () => {
  expect(circles(['a', '1'], ['a', '1'], ['a', '1'])).toEqual([false, false, true])
  expect(circles(['a', '1'], ['a', '2'], ['a', '1'])).toEqual([false, false, false])
})

test('take() sees two turns that take turns', () => {
  expect(circles(['a', '1'], ['b', '1'], ['a', '1'], ['b', '1'])).toEqual([
    false,
    false,
    false,
    true,
  ])
  expect(circles(['a', '1'], ['b', '1'], ['a', '2'], ['b', '1'])).toEqual([
    false,
    false,
    false,
    false,
  ])
})
