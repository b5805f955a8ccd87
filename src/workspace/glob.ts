/**
 * Matches one path component against one gitignore component in time proportional to the product of
 * their lengths, whatever the pattern: ignore files come from repositories nobody has to trust, and a
 * regular expression made from one can take for ever.
 */

type Token =
  | { kind: 'byte'; byte: string }
  | { kind: 'any' }
  | { kind: 'star' }
  | { kind: 'set'; negated: boolean; ranges: readonly (readonly [string, string])[] }

export type Glob = readonly Token[]

/** Undefined for a pattern that can match nothing, such as an open bracket. */
export function compileGlob(pattern: string): Glob | undefined {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern.charAt(at)
    if (byte === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' })
    } else if (byte === '?') {
      tokens.push({ kind: 'any' })
    } else if (byte === '[') {
      const set = compileSet(pattern, at + 1)
      if (set === undefined) return undefined
      tokens.push(set.token)
      at = set.end
    } else if (byte === '\\') {
      at += 1
      if (at >= pattern.length) return undefined
      tokens.push({ kind: 'byte', byte: pattern.charAt(at) })
    } else {
      tokens.push({ kind: 'byte', byte })
    }
  }
  return tokens
}

/**
 * The components of a pattern: a slash inside brackets separates nothing, an escaped one does.
 * Undefined for a pattern with an open bracket.
 */
export function splitPattern(pattern: string): string[] | undefined {
  const parts: string[] = []
  let start = 0
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern.charAt(at)
    const escapedSlash = byte === '\\' && pattern.charAt(at + 1) === '/'
    if (byte === '/' || escapedSlash) {
      parts.push(pattern.slice(start, at))
      if (escapedSlash) at += 1
      start = at + 1
    } else if (byte === '\\') {
      at += 1
    } else if (byte === '[') {
      const set = compileSet(pattern, at + 1)
      if (set === undefined) return undefined
      at = set.end
    }
  }
  return [...parts, pattern.slice(start)]
}

/** Whether the whole name matches. */
export function matchGlob(glob: Glob, name: string): boolean {
  let at = 0
  let token = 0
  let star = -1
  let starAt = 0
  while (at < name.length) {
    const current = glob[token]
    if (current?.kind === 'star') {
      star = token++
      starAt = at
    } else if (current !== undefined && matchesOne(current, name.charAt(at))) {
      token += 1
      at += 1
    } else if (star >= 0) {
      // Only the last star has to give way, so this never branches.
      token = star + 1
      at = ++starAt
    } else {
      return false
    }
  }
  while (glob[token]?.kind === 'star') token += 1
  return token === glob.length
}

function matchesOne(token: Token, byte: string): boolean {
  switch (token.kind) {
    case 'byte':
      return token.byte === byte
    case 'any':
      return true
    case 'set':
      return token.ranges.some(([from, to]) => byte >= from && byte <= to) !== token.negated
    case 'star':
      return false
  }
}

const CLASSES: Record<string, readonly (readonly [string, string])[]> = {
  alnum: [
    ['0', '9'],
    ['A', 'Z'],
    ['a', 'z'],
  ],
  alpha: [
    ['A', 'Z'],
    ['a', 'z'],
  ],
  blank: [
    [' ', ' '],
    ['\t', '\t'],
  ],
  cntrl: [
    ['\0', '\x1f'],
    ['\x7f', '\x7f'],
  ],
  digit: [['0', '9']],
  graph: [['!', '~']],
  lower: [['a', 'z']],
  print: [[' ', '~']],
  punct: [
    ['!', '/'],
    [':', '@'],
    ['[', '`'],
    ['{', '~'],
  ],
  space: [
    ['\t', '\r'],
    [' ', ' '],
  ],
  upper: [['A', 'Z']],
  xdigit: [
    ['0', '9'],
    ['A', 'F'],
    ['a', 'f'],
  ],
}

function compileSet(pattern: string, start: number): { token: Token; end: number } | undefined {
  let at = start
  const negated = pattern.charAt(at) === '!' || pattern.charAt(at) === '^'
  if (negated) at += 1
  const ranges: (readonly [string, string])[] = []
  for (let first = true; first || pattern.charAt(at) !== ']'; first = false) {
    const named = /^\[:([a-z]*):\]/.exec(pattern.slice(at, at + 12))
    if (named !== null) {
      const known = CLASSES[named[1] ?? '']
      if (known === undefined) return undefined
      ranges.push(...known)
      at += named[0].length
      continue
    }
    const from = literal(pattern, at)
    if (from === undefined) return undefined
    at = from.next
    if (pattern.charAt(at) === '-' && pattern.charAt(at + 1) !== ']') {
      const to = literal(pattern, at + 1)
      if (to === undefined) return undefined
      ranges.push([from.byte, to.byte])
      at = to.next
    } else {
      ranges.push([from.byte, from.byte])
    }
  }
  return { token: { kind: 'set', negated, ranges }, end: at }
}

function literal(pattern: string, at: number): { byte: string; next: number } | undefined {
  const escaped = pattern.charAt(at) === '\\' ? at + 1 : at
  if (escaped >= pattern.length) return undefined
  return { byte: pattern.charAt(escaped), next: escaped + 1 }
}
