/** Sees when a model goes in circles: the same calls with the same results, again and again. */
import { createHash } from 'node:crypto'
import type { ToolCall, ToolResult } from '../tools/index.ts'

/** Turns in a row that are the same. */
const REPEATED_MAX = 3

export interface StuckDetector {
  /** Takes a turn in; says what goes in circles, if anything does. */
  take(turn: readonly { call: ToolCall; result: ToolResult }[]): string | undefined
}

export function createStuckDetector(): StuckDetector {
  let last: string[] = []
  return {
    take(turn) {
      last = [...last.slice(-3), signatureOf(turn)]
      const [a, b, c, d] = [last.at(-4), last.at(-3), last.at(-2), last.at(-1)]
      const names = [...new Set(turn.map(({ call }) => call.name))].join(', ')
      if (b === c && c === d && d !== undefined)
        return `The same calls of ${names} gave the same results ${REPEATED_MAX} times in a row`
      if (a !== undefined && a === c && b === d)
        return `Two turns with the same calls and results (${names}) follow each other in a circle`
      return undefined
    },
  }
}

function signatureOf(turn: readonly { call: ToolCall; result: ToolResult }[]): string {
  const hash = createHash('sha256')
  for (const { call, result } of turn)
    hash.update(JSON.stringify([call.name, call.args, result.ok, result.text])).update('\n')
  return hash.digest('hex')
}
