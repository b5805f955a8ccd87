/**
 * Path patterns: anchored at the repository's root, matched in time linear in pattern × path.
 *
 * Own code although a library exists, because paths are hostile here: compiled to a regular
 * expression, four stars against a 2,000-byte name take half a minute, and a newline in a name
 * slips past `**`. See docs/decisions/0002-policy-engine.md.
 *
 * A pattern covers what it matches and everything beneath it. Grammar: `*` and `?` within one
 * segment, `**` as a whole segment, `[a-z]`, `[!a-z]`, `{a,b}`.
 */
import { expandBraces } from './braces.ts'

/** Characters */
const PATTERN_MAX = 512

type Token =
  | { kind: 'char'; char: string }
  | { kind: 'any' }
  | { kind: 'star' }
  | { kind: 'class'; negated: boolean; ranges: [string, string][] }
/** `tokens` undefined for `**`. */
interface Segment {
  tokens: readonly Token[] | undefined
}
interface Problem {
  problem: string
}
const GLOBSTAR: Segment = { tokens: undefined }

export type Glob = readonly (readonly Segment[])[]
export type GlobResult = { ok: true; glob: Glob } | { ok: false; problem: string }

/** Compiles a pattern, or says what is wrong with it. */
export function parseGlob(pattern: string): GlobResult {
  const problem = problemOf(pattern)
  if (problem !== undefined) return { ok: false, problem }
  const alternatives = expandBraces(pattern)
  if (typeof alternatives === 'string') return { ok: false, problem: alternatives }
  const glob: Segment[][] = []
  for (const alternative of alternatives) {
    const segments: Segment[] = []
    for (const text of alternative.split('/')) {
      const segment = parseSegment(text)
      if ('problem' in segment) return { ok: false, ...segment }
      segments.push(segment)
    }
    // The trailing globstar makes a pattern cover what lies beneath; it also matches nothing.
    glob.push([...segments, GLOBSTAR])
  }
  return { ok: true, glob }
}

/** Whether `path` (normalised, relative, `/` between segments) is covered. */
export function covers(glob: Glob, path: string): boolean {
  const segments = path.split('/').map((segment) => Array.from(segment))
  return glob.some((alternative) =>
    wildMatch(alternative, segments, ({ tokens }) => tokens === undefined, matchSegment),
  )
}

function problemOf(pattern: string): string | undefined {
  if (pattern === '') return 'it is empty'
  if (pattern.length > PATTERN_MAX) return `it is longer than ${PATTERN_MAX} characters`
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(pattern)) return 'it holds a control character'
  if (pattern.startsWith('/')) return 'it is absolute; patterns are relative to the repository'
  if (pattern.startsWith('!')) return 'it begins with "!"; patterns cannot be negated'
  if (pattern.includes('\\')) return 'it holds a backslash; there is no escaping'
  if (/[?*+@!]\(/.test(pattern)) return 'it holds an extended glob such as "+(…)"; write {a,b} or *'
  const segments = pattern.split('/')
  if (segments.includes('..')) return 'it holds ".."; nothing outside the repository can be named'
  if (segments.includes('.')) return 'it holds a "." segment; leave it out'
  if (segments.at(-1) === '') return 'it ends with "/"; a directory pattern covers what is beneath'
  if (segments.includes('')) return 'it holds an empty segment'
  return undefined
}

function parseSegment(text: string): Segment | Problem {
  if (text === '**') return GLOBSTAR
  if (text === '' || text === '..' || text === '.')
    return { problem: 'its braces make an empty or dot segment' }
  if (text.includes('**')) return { problem: '"**" must stand alone between slashes' }
  const tokens: Token[] = []
  const chars = Array.from(text)
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? ''
    if (char === '*') tokens.push({ kind: 'star' })
    else if (char === '?') tokens.push({ kind: 'any' })
    else if (char === '[') {
      const end = chars.indexOf(']', i + 2)
      if (end === -1) return { problem: '"[" is not closed' }
      const parsed = parseClass(chars.slice(i + 1, end))
      if ('problem' in parsed) return parsed
      tokens.push(parsed)
      i = end
    } else tokens.push({ kind: 'char', char })
  }
  return { tokens }
}

function parseClass(chars: readonly string[]): Token | Problem {
  const negated = chars[0] === '!' || chars[0] === '^'
  const members = negated ? chars.slice(1) : chars
  if (members.length === 0) return { problem: '"[]" names no character' }
  if (members.includes('[')) return { problem: 'classes such as [:alpha:] are not known' }
  const ranges: [string, string][] = []
  for (let i = 0; i < members.length; i++) {
    const from = members[i] ?? ''
    const to = members[i + 1] === '-' ? members[i + 2] : undefined
    ranges.push([from, to ?? from])
    if (to !== undefined) i += 2
  }
  if (ranges.some(([from, to]) => codeOf(from) > codeOf(to)))
    return { problem: 'a range runs backwards' }
  return { kind: 'class', negated, ranges }
}

function matchSegment({ tokens }: Segment, chars: readonly string[]): boolean {
  if (tokens === undefined) return true
  return wildMatch(tokens, chars, (token) => token.kind === 'star', matchToken)
}

function matchToken(token: Token, char: string): boolean {
  switch (token.kind) {
    case 'char':
      return token.char === char
    case 'any':
    case 'star':
      return true
    case 'class': {
      const code = codeOf(char)
      const inside = token.ranges.some(([from, to]) => codeOf(from) <= code && code <= codeOf(to))
      return inside !== token.negated
    }
  }
}

/**
 * Matches a list against a pattern whose wild elements stand for any run. Only the last wild element
 * needs to be retried, so each element meets each item at most once per wild element before it.
 */
function wildMatch<Pattern, Item>(
  pattern: readonly Pattern[],
  items: readonly Item[],
  isWild: (element: Pattern) => boolean,
  matches: (element: Pattern, item: Item) => boolean,
): boolean {
  let p = 0
  let i = 0
  let wildAt = -1
  let retryAt = 0
  while (i < items.length) {
    const element = pattern[p]
    const item = items[i]
    if (element !== undefined && isWild(element)) {
      wildAt = p++
      retryAt = i
    } else if (element !== undefined && item !== undefined && matches(element, item)) {
      p++
      i++
    } else if (wildAt !== -1) {
      p = wildAt + 1
      i = ++retryAt
    } else return false
  }
  return pattern.slice(p).every(isWild)
}

function codeOf(char: string): number {
  return char.codePointAt(0) ?? 0
}
