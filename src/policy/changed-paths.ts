/**
 * The authority over path rules: whatever code in the sandbox did, what counts is which paths the
 * stage changed in the end, seen from outside.
 */
import type { PolicyDecision, SandboxMode } from '../schema/index.ts'
import { evaluate } from './evaluate.ts'
import type { Policy } from './policy.ts'
import { decodePath, displayPath } from './repo-path.ts'

export interface ChangedPathsOptions {
  mode: SandboxMode
  stage: string
  /** The action or agent whose work it is. */
  subject: string
}

export interface PathViolation {
  /** For people: bytes that are no text are escaped. */
  path: string
  /** `require_approval` where a rule wanted a person asked before this path is written. */
  decision: 'block' | 'require_approval'
  rules: string[]
  reason: string
}

/**
 * Which of the changed paths (added, modified, deleted, both ends of a rename) policy does not let
 * the stage write, in the order given. Names may be bytes of any encoding.
 */
export function checkChangedPaths(
  policy: Policy,
  changed: readonly (Uint8Array | string)[],
  options: ChangedPathsOptions,
): PathViolation[] {
  return changed.flatMap((name) => {
    const path = typeof name === 'string' ? name : decodePath(name)
    const decision = writeDecision(policy, path, options)
    if (decision.decision === 'allow') return []
    const { matched, reason } = decision
    return [{ path: displayPath(path), decision: decision.decision, rules: matched, reason }]
  })
}

function writeDecision(
  policy: Policy,
  path: string,
  { mode, stage, subject }: ChangedPathsOptions,
): PolicyDecision {
  const resource = { kind: 'path', path, access: 'write' } as const
  return evaluate(policy, { capability: 'repo_write', resource, mode, stage, subject })
}
