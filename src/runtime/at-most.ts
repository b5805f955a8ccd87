/** Lets at most `limit` pieces of work go on at once; the others wait for their turn in order. */
export function atMost(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let going = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (going >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else going += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      // Whoever is let in takes the place of the one that leaves.
      if (next === undefined) going -= 1
      else next()
    }
  }
}
