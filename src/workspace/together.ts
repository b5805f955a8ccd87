/** All at once, and all ended before the first failure is told: what is cleaned up must not grow. */
export async function together<T extends readonly unknown[] | []>(work: T) {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason
  return await Promise.all(work)
}
