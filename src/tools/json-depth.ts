/** Whether a value nests no deeper than `depthMax`; does not recurse, so that no depth can hurt it. */
export function withinDepth(value: unknown, depthMax: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; depth <= depthMax; depth++) {
    level = level.flatMap((item) =>
      item !== null && typeof item === 'object' ? Object.values(item) : [],
    )
    if (level.length === 0) return true
  }
  return false
}
