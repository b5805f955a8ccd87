import { z } from 'zod'
import { hashJson, JsonValue, ModelChoice, PinnedServer, Skill } from '../schema/index.ts'
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
  /** Of agent stages; absent where no model was found, or a script is played. */
  model: ModelChoice.optional(),
  /** What `load_skill` can show; absent where there is none. */
  skills: z.array(Skill).optional(),
  /** MCP servers with the pins of their tools; absent where there is none. */
  mcp: z.array(PinnedServer).optional(),
})
export type PolicySnapshot = z.infer<typeof PolicySnapshot>

export interface PolicySnapshotParts {
  policy: Policy
  tools: JsonValue
  prices: JsonValue
  image: { name: string; id: string }
  model?: ModelChoice | undefined
  skills?: readonly Skill[]
  mcp?: readonly PinnedServer[]
}

/**
 * The snapshot and its hash. The same parts give the same hash whatever the order of keys and rules;
 * the snapshot shares nothing with what it was made from.
 */
export function policySnapshot(parts: PolicySnapshotParts): {
  snapshot: PolicySnapshot
  hash: string
} {
  const { model, skills = [], mcp = [], ...rest } = parts
  const whole = {
    version: 1,
    ...rest,
    ...(model !== undefined && { model }),
    ...(skills.length > 0 && { skills }),
    ...(mcp.length > 0 && { mcp }),
  }
  const snapshot = PolicySnapshot.parse(structuredClone(whole))
  return { snapshot, hash: hashJson(snapshot) }
}
