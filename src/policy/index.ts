export { checkChangedPaths, type ChangedPathsOptions, type PathViolation } from './changed-paths.ts'
export { compileConfinement, confinementDigest, type ConfinementOptions } from './confinement.ts'
export { deniesRead } from './deny-read.ts'
export { evaluate } from './evaluate.ts'
export { type Explanation, explainPolicy } from './explain.ts'
export { canonicalHost, type Host } from './host.ts'
export { DEFAULT_LIMITS } from './limits.ts'
export {
  type ModeWishes,
  overridePolicy,
  type PolicyOverrides,
  stageMode,
  stageNetwork,
} from './narrow.ts'
export { Policy } from './policy.ts'
export { defaultPolicy, readPolicy } from './read-policy.ts'
export { renderExplanation } from './render-explanation.ts'
export { PolicySnapshot, policySnapshot, type PolicySnapshotParts } from './snapshot.ts'
