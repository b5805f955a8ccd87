/** What the task writes just as the code does: identifiers, and the names of files. */
import { COLUMN } from './blob-terms.ts'
import { rarity } from './bm25.ts'
import { filesByBlob, type RankRequest, type TreeFile } from './rank-request.ts'

const USES_WEIGHT = 0.5
const DEFINES_WEIGHT = 1
const FILE_NAME_WEIGHT = 0.5
const IDENTIFIERS_MAX = 100
/** Names so many files have that they name none. */
const COMMON_STEMS = new Set('index main mod init test tests readme types package app'.split(' '))
const STEM_MIN = 4

/** Scores and reasons by file number. */
export function exactScores(
  request: RankRequest,
  files: readonly TreeFile[],
): { score(at: number): number; reasons(at: number): string[] } {
  const scores = new Map<number, number>()
  const reasons = new Map<number, string[]>()
  const add = (at: number, score: number, reason: string) => {
    scores.set(at, (scores.get(at) ?? 0) + score)
    reasons.set(at, [...(reasons.get(at) ?? []), reason])
  }
  for (const { identifier, defining, using } of identifiersIn(request, files)) {
    const worth = rarity(files.length, defining.size + using.size)
    for (const at of defining) add(at, DEFINES_WEIGHT * worth, `defines ${identifier}`)
    for (const at of using) add(at, USES_WEIGHT * worth, `uses ${identifier}`)
  }
  const named = files.map(({ path }) => stemOf(path)).map((stem) => request.query.words.has(stem))
  const having = named.filter(Boolean).length
  for (const [at, { path }] of files.entries()) {
    const stem = stemOf(path)
    if (named[at] !== true || stem.length < STEM_MIN || COMMON_STEMS.has(stem)) continue
    add(at, FILE_NAME_WEIGHT * rarity(files.length, having), `is called ${stem}`)
  }
  return { score: (at) => scores.get(at) ?? 0, reasons: (at) => reasons.get(at) ?? [] }
}

function* identifiersIn(request: RankRequest, files: readonly TreeFile[]) {
  const known = filesByBlob(request, files)
  for (const identifier of [...request.query.identifiers].sort().slice(0, IDENTIFIERS_MAX)) {
    const [defining, using] = [new Set<number>(), new Set<number>()]
    // The index folds the case of ASCII letters and of no others.
    const term = identifier.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
    for (const { blob, column } of request.index.postings(term))
      for (const at of known.get(blob) ?? []) {
        if (column === COLUMN.defined) defining.add(at)
        else if (column === COLUMN.identifiers) using.add(at)
      }
    for (const at of defining) using.delete(at)
    yield { identifier, defining, using }
  }
}

function stemOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  const dot = name.indexOf('.', 1)
  return dot === -1 ? name : name.slice(0, dot)
}
