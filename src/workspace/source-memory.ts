/** What a process keeps of the repositories it has opened: only what can never change. */
import type { GitProgram } from './git-process.ts'
import { checkGitVersion } from './source-git.ts'
import type { CommitFacts } from './commit-facts.ts'

export interface SourceMemory {
  /** Asks once; throws as `checkGitVersion()` does. */
  gitVersion(signal: AbortSignal): Promise<string>
  /** By object store and commit. */
  commits: Map<string, CommitFacts>
}

/** Entries kept of each kind. */
const KEPT_MAX = 64

export function createSourceMemory(program: GitProgram): SourceMemory {
  let version: Promise<string> | undefined
  return {
    gitVersion(signal) {
      // A failure is asked again: git may be installed meanwhile.
      version ??= checkGitVersion(program, signal).catch((error: unknown) => {
        version = undefined
        throw error
      })
      return version
    },
    commits: new Map(),
  }
}

/** The oldest goes when there are too many. */
export function remember<T>(kept: Map<string, T>, key: string, value: T): T {
  kept.delete(key)
  kept.set(key, value)
  const [oldest] = kept.keys()
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
  return value
}
