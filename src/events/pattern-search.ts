/**
 * Finds many byte patterns at once, after Wu and Manber: two bytes at a place tell how far no pattern
 * can end, so that most of a text is never looked at. Fast where the shortest pattern is long, which
 * secrets are.
 */

export interface Match {
  start: number
  end: number
}

export interface PatternSearch {
  /** Every place of every pattern, overlapping ones too, in the order of their starts. */
  find(bytes: Buffer): Match[]
  /** Length of the longest end of `bytes` that begins a pattern without completing it. */
  possibleStart(bytes: Buffer): number
}

/** Each pattern has at least two bytes. */
export function createSearch(patterns: readonly Buffer[]): PatternSearch {
  if (patterns.length === 0) return { find: () => [], possibleStart: () => 0 }
  const shortest = Math.min(...patterns.map(({ length }) => length))
  const longest = Math.max(...patterns.map(({ length }) => length))
  const shifts = new Uint16Array(65_536).fill(Math.min(shortest - 1, 65_535))
  /** Patterns by the two bytes at the end of their first `shortest`. */
  const ending = new Map<number, Buffer[]>()
  const beginning = new Map<number, Buffer[]>()
  for (const pattern of patterns) {
    for (let at = 0; at < shortest - 1; at++) {
      const block = pattern.readUInt16BE(at)
      shifts[block] = Math.min(shifts[block] ?? 0, shortest - 2 - at)
    }
    push(ending, pattern.readUInt16BE(shortest - 2), pattern)
    push(beginning, pattern[0] ?? 0, pattern)
  }
  return {
    find: (bytes) => find(bytes, { shortest, shifts, ending }),
    possibleStart(bytes) {
      for (let start = Math.max(0, bytes.length - longest + 1); start < bytes.length; start++) {
        const size = bytes.length - start
        const begins = beginning
          .get(bytes[start] ?? 0)
          ?.some((one) => one.length > size && bytes.compare(one, 0, size, start) === 0)
        if (begins === true) return size
      }
      return 0
    },
  }
}

interface Tables {
  shortest: number
  shifts: Uint16Array
  ending: ReadonlyMap<number, readonly Buffer[]>
}

function find(bytes: Buffer, { shortest, shifts, ending }: Tables): Match[] {
  const matches: Match[] = []
  const last = bytes.length - 1
  let at = shortest - 2
  while (at < last) {
    const block = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    const shift = shifts[block] ?? 0
    if (shift > 0) {
      at += shift
      continue
    }
    const start = at - (shortest - 2)
    for (const pattern of ending.get(block) ?? []) {
      const end = start + pattern.length
      if (end <= bytes.length && bytes.compare(pattern, 0, pattern.length, start, end) === 0)
        matches.push({ start, end })
    }
    at++
  }
  return matches
}

function push(map: Map<number, Buffer[]>, key: number, pattern: Buffer): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [pattern])
  else known.push(pattern)
}
