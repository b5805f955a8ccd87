/**
 * How good a ranking is, by the repository's own history: a commit's message is the task, the tree
 * before it is what is ranked, and the files it changed are what should have been found.
 */
import type { RecallReport } from '../schema/index.ts'

export interface RecallSample {
  /** Best first. */
  ranked: readonly string[]
  /** What the commit changed, of files that were there before it. */
  changed: ReadonlySet<string>
}

type Score = RecallReport['ranked']

const FIRST = 10

export function recallOf(samples: readonly RecallSample[]): Score {
  const sum = (of: (sample: RecallSample) => number) =>
    samples.reduce((total, sample) => total + of(sample), 0) / Math.max(1, samples.length)
  return {
    recall_at_10: rounded(
      sum(({ ranked, changed }) => {
        const found = ranked.slice(0, FIRST).filter((path) => changed.has(path)).length
        return found / Math.min(FIRST, changed.size)
      }),
    ),
    mrr: rounded(
      sum(({ ranked, changed }) => {
        const place = ranked.findIndex((path) => changed.has(path))
        return place === -1 ? 0 : 1 / (place + 1)
      }),
    ),
  }
}

/** Commits that change more files say nothing a message could name. */
const CHANGED_MAX = 20
const MESSAGE_MIN = 10

/** The changed files to be found; `undefined` for a commit that asks nothing of a ranking. */
export function taskOf(
  commit: { message: string; paths: readonly string[] },
  files: ReadonlySet<string>,
): { query: string; changed: Set<string> } | undefined {
  const changed = new Set(commit.paths.filter((path) => files.has(path)))
  const query = commit.message
    .split('\n')
    .filter((line) => !/^[A-Z][A-Za-z-]{2,30}: .*[<@]/.test(line))
    .join('\n')
    .trim()
  if (changed.size === 0 || changed.size > CHANGED_MAX || query.length < MESSAGE_MIN)
    return undefined
  return { query, changed }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
