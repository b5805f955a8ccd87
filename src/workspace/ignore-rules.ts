/**
 * What the base commit's `.gitignore` files say about a path. Only the base commit's: a file the
 * sandbox writes cannot hide other files from a snapshot. Patterns and paths are bytes, the matching
 * is git's, and its cost is bounded (see `glob.ts`).
 */
import { type BytePath, parentsOf } from './byte-path.ts'
import { compileGlob, type Glob, matchGlob, splitPattern } from './glob.ts'

type Segment = Glob | '**'

interface Rule {
  negated: boolean
  directoryOnly: boolean
  /** Matched against the last component only. */
  nameOnly: boolean
  segments: readonly Segment[]
}

export interface IgnoreRules {
  /** Whether git would leave out an untracked path; asked for each ancestor as well. */
  ignores(path: BytePath, kind: 'file' | 'directory'): boolean
}

const RULES_PER_FILE_MAX = 10_000
/** Verdicts kept; the names come from the sandbox. */
const DIRECTORIES_KEPT_MAX = 100_000

/** `files` maps a directory (`''` is the root) to the content of its `.gitignore`. */
export function compileIgnoreRules(files: ReadonlyMap<BytePath, string>): IgnoreRules {
  const byDirectory = new Map<BytePath, readonly Rule[]>()
  for (const [directory, content] of files) byDirectory.set(directory, parseRules(content))
  const directories = new Map<BytePath, boolean>()

  const verdict = (path: BytePath, isDirectory: boolean): boolean => {
    for (const directory of ancestors(path)) {
      const rules = byDirectory.get(directory)
      if (rules === undefined) continue
      const below = directory === '' ? path : path.slice(directory.length + 1)
      const rule = rules.findLast((candidate) => matches(candidate, below, isDirectory))
      if (rule !== undefined) return !rule.negated
    }
    return false
  }
  // A path inside an ignored directory is ignored, and no rule below can take it back.
  const directoryIgnored = (path: BytePath): boolean => {
    const known = directories.get(path)
    if (known !== undefined) return known
    const parent = parentOf(path)
    const ignored = (parent !== '' && directoryIgnored(parent)) || verdict(path, true)
    if (directories.size >= DIRECTORIES_KEPT_MAX) directories.clear()
    directories.set(path, ignored)
    return ignored
  }
  return {
    ignores(path, kind) {
      if (byDirectory.size === 0) return false
      if (kind === 'directory') return directoryIgnored(path)
      const parent = parentOf(path)
      return (parent !== '' && directoryIgnored(parent)) || verdict(path, false)
    },
  }
}

function parseRules(content: string): readonly Rule[] {
  const rules: Rule[] = []
  // A byte order mark reads as these three bytes.
  for (const line of content.replace(/^\u00ef\u00bb\u00bf/, '').split('\n')) {
    if (rules.length >= RULES_PER_FILE_MAX) break
    const rule = parseRule(line)
    if (rule !== undefined) rules.push(rule)
  }
  return rules
}

function parseRule(line: string): Rule | undefined {
  let text = withoutTrailingSpaces(line.endsWith('\r') ? line.slice(0, -1) : line)
  if (text === '' || text.startsWith('#')) return undefined
  const negated = text.startsWith('!')
  if (negated) text = text.slice(1)
  const directoryOnly = text.endsWith('/') && text.length > 1
  if (directoryOnly) text = text.slice(0, -1)
  const nameOnly = !text.includes('/')
  if (text.startsWith('/')) text = text.slice(1)
  if (text === '') return undefined
  const parts = splitPattern(text)
  if (parts === undefined) return undefined
  const segments: Segment[] = []
  for (const part of parts) {
    const segment = part === '**' ? '**' : compileGlob(part)
    if (segment === undefined) return undefined
    segments.push(segment)
  }
  return { negated, directoryOnly, nameOnly, segments }
}

function withoutTrailingSpaces(line: string): string {
  let end = line.length
  while (end > 0 && line.charAt(end - 1) === ' ') end -= 1
  let backslashes = 0
  while (line.charAt(end - 1 - backslashes) === '\\') backslashes += 1
  // An escaped space at the end is part of the pattern.
  return line.slice(0, backslashes % 2 === 1 && end < line.length ? end + 1 : end)
}

function matches(rule: Rule, path: BytePath, isDirectory: boolean): boolean {
  if (rule.directoryOnly && !isDirectory) return false
  if (rule.nameOnly) {
    const segment = rule.segments[0]
    const name = path.slice(path.lastIndexOf('/') + 1)
    return segment === '**' || (segment !== undefined && matchGlob(segment, name))
  }
  return matchSegments(rule.segments, path.split('/'))
}

/** The same walk as in `matchGlob`, with components for bytes and `**` for the star. */
function matchSegments(segments: readonly Segment[], names: readonly string[]): boolean {
  let at = 0
  let segment = 0
  let star = -1
  let starAt = 0
  while (at < names.length) {
    const current = segments[segment]
    if (current === '**') {
      star = segment++
      starAt = at
      // At the end it stands for everything inside, so for at least one component.
      if (segment === segments.length) return true
    } else if (current !== undefined && matchGlob(current, names[at] ?? '')) {
      segment += 1
      at += 1
    } else if (star >= 0) {
      segment = star + 1
      at = ++starAt
    } else {
      return false
    }
  }
  return segment === segments.length
}

function* ancestors(path: BytePath): Generator<BytePath> {
  yield* parentsOf(path)
  yield ''
}

function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
