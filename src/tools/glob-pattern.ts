/**
 * Path patterns of the glob tool and of report files: `*` and `?` within a name, `**` for any directories, `[…]`, `{a,b}`.
 *
 * Own code although libraries exist: they compile to regular expressions, and a pattern comes from a
 * model and the names from a stranger, so that a few stars against a long name would hold the whole
 * process. Here each character meets each pattern element at most once per star before it.
 */

const PATTERN_MAX = 256
const ALTERNATIVES_MAX = 64

type Matcher = (path: string) => boolean

/** A matcher, or what is wrong with the pattern. */
export function globMatcher(pattern: string): Matcher | { problem: string } {
  if (pattern.length > PATTERN_MAX) return { problem: `is longer than ${PATTERN_MAX} characters` }
  const alternatives = expandBraces(pattern.replace(/^(\.\/)+/, ''))
  if (alternatives === undefined)
    return { problem: `has unbalanced braces or more than ${ALTERNATIVES_MAX} alternatives` }
  const globs = alternatives.map((text) => text.split('/').filter((name) => name !== ''))
  return (path) => {
    const names = path.split('/')
    return globs.some((glob) =>
      wild(glob, names, { isWild: (part) => part === '**', matches: matchesName }),
    )
  }
}

function matchesName(glob: string, name: string): boolean {
  const parts = glob.match(/\[[^\]]+\]|[^]/gu) ?? []
  return wild(parts, Array.from(name), {
    isWild: (part) => /^\*+$/.test(part),
    matches: matchesCharacter,
  })
}

function matchesCharacter(part: string, character: string): boolean {
  if (part === '?') return true
  if (part.length < 3 || !part.startsWith('[')) return part === character
  const negated = part[1] === '!' || part[1] === '^'
  const members = part.slice(negated ? 2 : 1, -1)
  let inside = false
  for (let index = 0; index < members.length; index++) {
    const from = members[index] ?? ''
    const to = members[index + 1] === '-' ? members[index + 2] : undefined
    if (from <= character && character <= (to ?? from)) inside = true
    if (to !== undefined) index += 2
  }
  return inside !== negated
}

interface Wild {
  isWild(part: string): boolean
  matches(part: string, item: string): boolean
}

/** Only the last wild element ever needs another try. */
function wild(
  pattern: readonly string[],
  items: readonly string[],
  { isWild, matches }: Wild,
): boolean {
  let place = 0
  let item = 0
  let retryPlace = -1
  let retryItem = 0
  while (item < items.length) {
    const part = pattern[place]
    if (part !== undefined && isWild(part)) {
      retryPlace = ++place
      retryItem = item
    } else if (part !== undefined && matches(part, items[item] ?? '')) {
      place += 1
      item += 1
    } else if (retryPlace >= 0) {
      place = retryPlace
      item = ++retryItem
    } else return false
  }
  return pattern.slice(place).every(isWild)
}

function expandBraces(pattern: string): string[] | undefined {
  const done: string[] = []
  const open = [pattern]
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    if (done.length + open.length > ALTERNATIVES_MAX) return undefined
    const close = text.indexOf('}')
    const start = close < 0 ? text.indexOf('{') : text.lastIndexOf('{', close)
    if (close < 0 && start < 0) done.push(text)
    else if (close < 0 || start < 0) return undefined
    else
      for (const part of text.slice(start + 1, close).split(','))
        open.push(text.slice(0, start) + part + text.slice(close + 1))
  }
  return done
}
