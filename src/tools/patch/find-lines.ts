/**
 * Every place where a list of lines occurs in another, in time linear in both (Knuth, Morris and
 * Pratt): files and patches come from strangers, and repetitive ones must not cost the product.
 */
export function findLines(
  haystack: readonly string[],
  needle: readonly string[],
  from: number,
): number[] {
  if (needle.length === 0 || needle.length > haystack.length - from) return []
  const fallback = fallbackTable(needle)
  const found: number[] = []
  let matched = 0
  for (let index = from; index < haystack.length; index++) {
    while (matched > 0 && haystack[index] !== needle[matched]) matched = fallback[matched - 1] ?? 0
    if (haystack[index] === needle[matched]) matched += 1
    if (matched === needle.length) {
      found.push(index - matched + 1)
      matched = fallback[matched - 1] ?? 0
    }
  }
  return found
}

/** For each prefix of `needle`, the length of its longest proper suffix that is a prefix, too. */
function fallbackTable(needle: readonly string[]): number[] {
  const table = [0]
  let length = 0
  for (let index = 1; index < needle.length; index++) {
    while (length > 0 && needle[index] !== needle[length]) length = table[length - 1] ?? 0
    if (needle[index] === needle[length]) length += 1
    table.push(length)
  }
  return table
}
