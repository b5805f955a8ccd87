/** Files that change often change again: a prior from the last commits, by path, from 0 to 1. */

/** Commits looked at. */
export const CHURN_COMMITS = 400
/** Commits that touch more say nothing of any one file. */
const PATHS_OF_COMMIT_MAX = 50
/** The commit this far back counts half. */
const HALF_AT = 200

export interface ChangedPaths {
  paths: readonly string[]
}

/** `commits` newest first. */
export function churnOf(commits: readonly ChangedPaths[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [at, { paths }] of commits.entries()) {
    if (paths.length > PATHS_OF_COMMIT_MAX) continue
    const weight = HALF_AT / (HALF_AT + at)
    for (const path of paths) counts.set(path, (counts.get(path) ?? 0) + weight)
  }
  const most = Math.max(0, ...counts.values())
  if (most === 0) return counts
  for (const [path, count] of counts) counts.set(path, Math.log1p(count) / Math.log1p(most))
  return counts
}
