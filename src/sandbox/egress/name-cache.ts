/**
 * Names of hosts, asked for once by all who want them at the same time, and once more when the
 * resolver only stumbled: a package manager opens dozens of connections to one host in a moment, and
 * a lost packet for one of them is no reason to fail its run. Answers are kept for seconds; each
 * connection still classifies every address by itself, and dials the one it has classified.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../pipe-deferred.ts'

/** `ms` */
const KEPT_MS = 5_000
const KEPT_MAX = 1_000
/** `ms` for everything that is asked for one name. */
const ASKING_MS = 10_000
/** `ms` before each further try. */
const RESTS_MS: readonly number[] = [100, 500]
/** The resolver did not get to an answer; another try may. */
const STUMBLES: ReadonlySet<string> = new Set([
  'ESERVFAIL',
  'EREFUSED',
  'ETIMEOUT',
  'ECONNREFUSED',
  'EBADRESP',
  'ECANCELLED',
])

export type Lookup = (name: string, signal: AbortSignal) => Promise<readonly string[]>

interface Kept {
  answer: Promise<readonly string[]>
  until: number
}

/** The same lookup, shared and tried again. `now` is monotonic, in `ms`. */
export function createNameCache(lookup: Lookup, now: () => number): Lookup {
  const kept = new Map<string, Kept>()
  const ask = (name: string): Promise<readonly string[]> => {
    const known = kept.get(name)
    if (known !== undefined && known.until > now()) return known.answer
    const entry: Kept = { answer: persistently(lookup, name), until: Number.POSITIVE_INFINITY }
    kept.delete(name)
    kept.set(name, entry)
    const [oldest] = kept.keys()
    if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
    entry.answer.then(
      () => void (entry.until = now() + KEPT_MS),
      () => void (kept.get(name) === entry && kept.delete(name)),
    )
    return entry.answer
  }
  return async (name, signal) => {
    signal.throwIfAborted()
    const gone = deferred<never>()
    const stop = () => gone.reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([ask(name), gone.promise])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}

async function persistently(lookup: Lookup, name: string): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(ASKING_MS)
  for (const rest of RESTS_MS) {
    try {
      return await lookup(name, signal)
    } catch (error) {
      if (!isStumble(error) || signal.aborted) throw error
      await delay(rest)
    }
  }
  return await lookup(name, signal)
}

function isStumble(error: unknown): boolean {
  return error instanceof Error && 'code' in error && STUMBLES.has(String(error.code))
}
