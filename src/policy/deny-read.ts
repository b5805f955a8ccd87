import { compilePolicy } from './compiled-policy.ts'
import type { Policy } from './policy.ts'
import { decodePath, normalRepoPath } from './repo-path.ts'

/**
 * Whether `paths.deny_read` covers a path of the repository, so that the workspace leaves it out of
 * the tree and the history a sandbox sees. A path that cannot be inside counts as denied.
 */
export function deniesRead(policy: Policy, path: Uint8Array | string): boolean {
  const inside = normalRepoPath(typeof path === 'string' ? path : decodePath(path))
  return inside === undefined || compilePolicy(policy).paths.deny_read.loosely(inside)
}
