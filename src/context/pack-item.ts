import { createHash } from 'node:crypto'
import { estimateTokens, type Redaction } from '../model/index.ts'
import type { ContextItem, ContextPack } from '../schema/index.ts'

/** A text whose secrets are replaced. */
export interface CleanText {
  lines: readonly string[]
  redactions: readonly Redaction[]
}

export interface MadeItem {
  item: ContextItem
  redactions: ContextPack['redactions']
}

/** Longest line that is shown; a longer one is data. */
const LINE_MAX = 1000

/** An item of these lines, and which secrets were taken out of them. */
export function itemOf(
  about: Pick<ContextItem, 'path' | 'kind' | 'score'> & { reasons: readonly string[] },
  clean: CleanText,
  numbers: readonly number[],
): MadeItem {
  const shown = new Set(numbers)
  const { path } = about
  const text = numbers.map((line) => cut(clean.lines[line - 1] ?? '')).join('\n')
  return {
    item: {
      ...about,
      start: numbers[0] ?? 1,
      end: numbers.at(-1) ?? 1,
      sha256: createHash('sha256').update(text).digest('hex'),
      tokens: estimateTokens(`${path}\n${text}`),
      reasons: [...about.reasons],
      text,
    },
    redactions: clean.redactions
      .filter(({ line }) => shown.has(line))
      .map(({ line, rule }) => ({ path, line, rule })),
  }
}

function cut(line: string): string {
  if (line.length <= LINE_MAX) return line
  // A pair of surrogates that is cut in two is left out.
  return `${line.slice(0, LINE_MAX).replace(/[\uD800-\uDBFF]$/, '')} …`
}
