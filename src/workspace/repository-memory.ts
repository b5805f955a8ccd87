/**
 * What a process that lives long has learnt of repositories. Each answer is kept under all that it
 * depends on: ids of objects, which never change, and stamps of files, which change with every
 * write. Nothing is ever invalidated; what is not asked for any more falls out. Starting git costs
 * a large process milliseconds each time, so an answer that is known makes a run begin that much
 * earlier.
 */
import fs from 'node:fs'

export interface RepositoryMemory {
  /** What is known under the key, or `undefined`. */
  known(key: string): unknown
  keep(key: string, value: unknown, weight: number): void
  /** What is known under the key, or else what `work` gives; callers at the same time share it. */
  recall<T>(key: string, work: () => Promise<T>, weigh: (value: T) => number): Promise<T>
}

/** Roughly bytes; the oldest answers go first. */
const WEIGHT_MAX = 64 * 1024 * 1024
const WEIGHT_LEAST = 512

interface Kept {
  value: unknown
  weight: number
}

export function createRepositoryMemory(): RepositoryMemory {
  const kept = new Map<string, Kept>()
  const asked = new Map<string, Promise<unknown>>()
  let total = 0
  const keep = (key: string, value: unknown, weight: number): void => {
    total += weight - (kept.get(key)?.weight ?? 0)
    kept.set(key, { value, weight })
    for (const [oldest, { weight: freed }] of kept) {
      if (total <= WEIGHT_MAX) break
      kept.delete(oldest)
      total -= freed
    }
  }
  // The oldest is what was asked for longest ago.
  const find = (key: string): Kept | undefined => {
    const found = kept.get(key)
    if (found === undefined) return undefined
    kept.delete(key)
    kept.set(key, found)
    return found
  }
  return {
    known: (key) => find(key)?.value,
    keep: (key, value, weight) => keep(key, value, WEIGHT_LEAST + weight),
    async recall<T>(key: string, work: () => Promise<T>, weigh: (value: T) => number): Promise<T> {
      const known = find(key)
      // A key names its question, and with it the type of the answer.
      if (known !== undefined) return known.value as T
      const shared = asked.get(key)
      if (shared !== undefined) {
        // The other caller may have been cancelled; that is no answer for this one.
        const answer = await shared.then(
          (value) => ({ value }),
          () => undefined,
        )
        return answer === undefined ? await work() : (answer.value as T)
      }
      const own = work()
      asked.set(key, own)
      try {
        const value = await own
        keep(key, value, WEIGHT_LEAST + weigh(value))
        return value
      } finally {
        asked.delete(key)
      }
    },
  }
}

/**
 * `work`, or what it gave before under the same question and facts; with facts that are `undefined`,
 * or without a memory, always `work`.
 */
export async function remembered<T>(
  memory: RepositoryMemory | undefined,
  question: { name: string; facts: readonly string[] | undefined; weigh?: (value: T) => number },
  work: () => Promise<T>,
): Promise<T> {
  const { name, facts, weigh = () => 0 } = question
  if (memory === undefined || facts === undefined) return await work()
  return await memory.recall(JSON.stringify([name, ...facts]), work, weigh)
}

/** A file changed within this time may change again without a new stamp. `ms` */
const SETTLED_MS = 2_000

/** Says whether files are as they were; `undefined` while one of them is too young to tell. */
export function stampFiles(files: readonly (string | Buffer)[]): string[] | undefined {
  const settledBefore = Date.now() - SETTLED_MS
  const stamps: string[] = []
  for (const file of files) {
    const stat = fs.lstatSync(file, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) {
      stamps.push('none')
      continue
    }
    if (Number(stat.ctimeNs / 1_000_000n) > settledBefore) return undefined
    stamps.push(`${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.mode}`)
  }
  return stamps
}

/** The same for all that lies in a directory, names included; `undefined` beyond `entriesMax`. */
export function stampTree(
  directory: string,
  { entriesMax, skip }: { entriesMax: number; skip(path: string): boolean },
): string[] | undefined {
  const stamps: string[] = []
  const pending = [directory]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const below = fs.existsSync(next) ? fs.readdirSync(next, { withFileTypes: true }) : []
    const entries = below.filter(({ name }) => !skip(`${next}/${name}`))
    if (stamps.length + entries.length > entriesMax) return undefined
    const paths = entries.map(({ name }) => `${next}/${name}`)
    const own = stampFiles(paths)
    if (own === undefined) return undefined
    stamps.push(...own.map((stamp, index) => `${paths[index]} ${stamp}`))
    for (const [index, entry] of entries.entries())
      if (entry.isDirectory()) pending.push(paths[index] ?? '')
  }
  return stamps
}
