/** Keeps work that nobody waits for in `running` until it ends; its failure is told, not thrown. */
export function trackWork(
  running: Set<Promise<unknown>>,
  onError: (error: unknown) => void,
): (work: Promise<unknown>) => void {
  return (work) => {
    const done = work.catch(onError).finally(() => running.delete(done))
    running.add(done)
  }
}
