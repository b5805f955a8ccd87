/** Paths of URLs, where a policy limits them: one spelling, or no match. */
import { covers, parseGlob } from './glob.ts'

const PATH_MAX = 8192

/** A path pattern as the repository's pattern matcher takes it. */
export function urlGlob(pattern: string): string {
  return pattern.replace(/^\//, '') || '**'
}

/**
 * Whether a request's target falls under one of the patterns. Targets that servers read in different
 * ways (dot segments, doubled or encoded slashes) fall under none.
 */
export function matchesUrlPath(patterns: readonly string[], target: string): boolean {
  const path = target.split(/[?#]/, 1)[0] ?? ''
  if (path.length > PATH_MAX || !path.startsWith('/') || /\/\/|\\|%(?:2[ef]|5c|00|25)/i.test(path))
    return false
  const url = `http://host.invalid${path}`
  if (!URL.canParse(url) || new URL(url).pathname !== path) return false
  return patterns.some((pattern) => {
    const parsed = parseGlob(urlGlob(pattern))
    return parsed.ok && covers(parsed.glob, path.slice(1))
  })
}
