import { z } from 'zod'
import { hashJson, JsonValue } from '../schema/index.ts'
import { Policy } from './policy.ts'

/** Everything a run's decisions depend on, frozen when it begins. */
export const PolicySnapshot = z.strictObject({
  version: z.literal(1),
  policy: Policy,
  /** Actions and tools with their versions and capabilities. */
  tools: JsonValue,
  /** Price table of models. */
  prices: JsonValue,
  image: z.strictObject({ name: z.string(), id: z.string() }),
})
export type PolicySnapshot = z.infer<typeof PolicySnapshot>

export interface PolicySnapshotParts {
  policy: Policy
  tools: JsonValue
  prices: JsonValue
  image: { name: string; id: string }
}

/**
 * The snapshot and its hash. The same parts give the same hash whatever the order of keys and rules;
 * the snapshot shares nothing with what it was made from.
 */
export function policySnapshot(parts: PolicySnapshotParts): {
  snapshot: PolicySnapshot
  hash: string
} {
  const snapshot = PolicySnapshot.parse(structuredClone({ version: 1, ...parts }))
  return { snapshot, hash: hashJson(snapshot) }
}
