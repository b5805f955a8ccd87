/**
 * Patterns of a policy, compiled once per policy object. Matchers are not data, so they live beside
 * the policy and not in it.
 */
import { covers, type Glob, parseGlob } from './glob.ts'
import { type HostPattern, parseHostPattern } from './host-pattern.ts'
import { foldPath } from './repo-path.ts'
import { allowedHosts } from './allowed-hosts.ts'
import type { Policy } from './policy.ts'

interface PathMatcher {
  /** Spelling matters: for what a pattern permits. */
  exactly: (path: string) => boolean
  /** Also names that a case-insensitive file system takes for the same: for what it forbids. */
  loosely: (path: string) => boolean
}

export interface CompiledPolicy {
  paths: Record<keyof Policy['paths'], PathMatcher>
  allow: readonly HostPattern[]
  deny: readonly HostPattern[]
  /** By the rule's id. */
  rulePaths: ReadonlyMap<string, PathMatcher>
  ruleHosts: ReadonlyMap<string, readonly HostPattern[]>
}

const compiled = new WeakMap<Policy, CompiledPolicy>()

/** Throws when a pattern is broken, which a policy that was read never has. */
export function compilePolicy(policy: Policy): CompiledPolicy {
  const known = compiled.get(policy)
  if (known !== undefined) return known
  const { paths, network, rules } = policy
  const fresh: CompiledPolicy = {
    paths: {
      deny_read: pathMatcher(paths.deny_read),
      deny_write: pathMatcher(paths.deny_write),
      read_only: pathMatcher(paths.read_only),
      write_only: pathMatcher(paths.write_only),
    },
    allow: allowedHosts(policy).map(hostPattern),
    deny: network.deny.map(hostPattern),
    rulePaths: new Map(rules.map(({ id, when }) => [id, pathMatcher(when?.path ?? [])])),
    ruleHosts: new Map(rules.map(({ id, when }) => [id, (when?.host ?? []).map(hostPattern)])),
  }
  compiled.set(policy, fresh)
  return fresh
}

function pathMatcher(patterns: readonly string[]): PathMatcher {
  const exact = patterns.map(glob)
  const folded = patterns.map((pattern) => glob(foldPath(pattern)))
  const exactly = (path: string) => exact.some((each) => covers(each, path))
  return {
    exactly,
    loosely: (path) => {
      const loose = foldPath(path)
      return exactly(path) || folded.some((each) => covers(each, loose))
    },
  }
}

function glob(pattern: string): Glob {
  const parsed = parseGlob(pattern)
  if (!parsed.ok) throw new TypeError(`Cannot compile path pattern "${pattern}": ${parsed.problem}`)
  return parsed.glob
}

function hostPattern(text: string): HostPattern {
  const parsed = parseHostPattern(text)
  if (!parsed.ok) throw new TypeError(`Cannot compile host pattern "${text}": ${parsed.problem}`)
  return parsed.pattern
}
