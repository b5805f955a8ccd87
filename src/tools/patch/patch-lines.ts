/** A patch as lines with a place in it; what every patch parser reads from. */
import { type Judged, reject } from './edit.ts'

export interface PatchLines {
  /** The line at the place, or `offset` lines behind it; `undefined` behind the end. */
  peek(offset?: number): string | undefined
  /** The line at the place; moves behind it. */
  next(): string | undefined
  /** Place, from 0. */
  at(): number
  moveTo(place: number): void
}

export function patchLines(text: string): PatchLines {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  let place = 0
  return {
    peek: (offset = 0) => lines[place + offset],
    next: () => lines[place++],
    at: () => place,
    moveTo(target) {
      place = target
    },
  }
}

/** A patch that is not well formed, with the line of the patch, from 1. */
export function syntaxError(place: number, message: string, file?: string): Judged<never> {
  return reject({
    code: 'patch_syntax',
    message: `Line ${place + 1} of the patch: ${message}`,
    file,
    next_action:
      'Make the patch again, with `git diff` or in one of the formats the tool describes',
  })
}
