/** Names that a misspelled one may have meant. */

/** ` (did you mean "x"?)`, or what is known when nothing is near; empty when nothing is known. */
export function suggestion(name: string, known: Iterable<string>): string {
  const names = [...new Set(known)].sort()
  const near = nearest(name, names)
  if (near !== undefined) return ` (did you mean "${near}"?)`
  return names.length === 0 ? '' : ` (known: ${names.join(', ')})`
}

/** The known name that a typing mistake turns into `name`; the first of equally near ones. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  // A name longer than any valid one costs no quadratic time.
  if (name.length > 100) return undefined
  for (const candidate of known) {
    const mistakes = distance(name.toLowerCase(), candidate.toLowerCase())
    if (mistakes < least) {
      best = candidate
      least = mistakes
    }
  }
  return best
}

/** Least insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          at(last, j) + 1,
          at(row, j - 1) + 1,
          at(last, j - 1) + (same ? 0 : 1),
          swapped ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    beforeLast = last
    last = row
  }
  return at(last, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
