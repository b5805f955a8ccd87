/**
 * Places of a text in another, in time linear in both whatever they are (Knuth, Morris and Pratt).
 * The engine's own search compares some long repetitive texts letter by letter from every place, and
 * texts come from strangers; for short ones that costs nothing to speak of and is faster.
 */
const SHORT = 256

/** Places that do not overlap, from left to right; ends after more than `most`. */
export function findText(text: string, wanted: string, most: number): number[] {
  if (wanted === '') return []
  return wanted.length <= SHORT ? findShort(text, wanted, most) : findLong(text, wanted, most)
}

function findShort(text: string, wanted: string, most: number): number[] {
  const places: number[] = []
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
    places.push(at)
    if (places.length > most) break
  }
  return places
}

function findLong(text: string, wanted: string, most: number): number[] {
  const fallback = fallbackTable(wanted)
  const places: number[] = []
  let matched = 0
  for (let at = 0; at < text.length && places.length <= most; at++) {
    const code = text.charCodeAt(at)
    while (matched > 0 && code !== wanted.charCodeAt(matched)) matched = fallback[matched - 1] ?? 0
    if (code === wanted.charCodeAt(matched)) matched += 1
    if (matched < wanted.length) continue
    places.push(at - matched + 1)
    matched = 0
  }
  return places
}

/** For each prefix of `wanted`, the length of its longest proper suffix that is a prefix, too. */
function fallbackTable(wanted: string): Uint32Array {
  const table = new Uint32Array(wanted.length)
  let length = 0
  for (let at = 1; at < wanted.length; at++) {
    const code = wanted.charCodeAt(at)
    while (length > 0 && code !== wanted.charCodeAt(length)) length = table[length - 1] ?? 0
    if (code === wanted.charCodeAt(length)) length += 1
    table[at] = length
  }
  return table
}
