/** What can be asked without any run: blueprints, policies, the machine. */
import { z } from 'zod'
import { DecisionKind, Level, SandboxMode } from './policy.ts'

export const BlueprintEntry = z.object({
  name: z.string(),
  description: z.string(),
  stages: z.array(z.string()),
  /** Whether a model is needed. */
  agent: z.boolean(),
})
export type BlueprintEntry = z.infer<typeof BlueprintEntry>

/** A document that a client has and the server may not be able to read. */
export const Document = z.strictObject({ file: z.string().max(4096), text: z.string() })
export type Document = z.infer<typeof Document>

export const BlueprintReport = z.object({
  name: z.string(),
  /** The stages and their routes as text. */
  graph: z.string(),
  /** Worst cases a run of it can reach. */
  bounds: z.record(z.string(), z.number()),
})
export type BlueprintReport = z.infer<typeof BlueprintReport>

export const PolicyExplanation = z.object({
  mode: SandboxMode,
  hash: z.string(),
  confinement: z.string(),
  capabilities: z.array(
    z.object({
      capability: z.string(),
      decision: DecisionKind,
      level: Level,
      matched: z.array(z.string()),
      reason: z.string(),
    }),
  ),
  /** The same for people: words first, then engine settings. */
  text: z.string(),
})
export type PolicyExplanation = z.infer<typeof PolicyExplanation>

export const DoctorCheck = z.object({
  name: z.string(),
  status: z.enum(['ok', 'warning', 'failed']),
  /** What was seen. */
  evidence: z.string(),
  remedy: z.string().optional(),
})
export type DoctorCheck = z.infer<typeof DoctorCheck>

/** One thing a machine can or cannot do, with what was measured. */
export const MachineCapability = z.object({
  has: z.enum(['yes', 'no', 'unknown']),
  evidence: z.string(),
  /** What it means for runs here. */
  meaning: z.string(),
  /** How to get it, where it is missed. */
  remedy: z.string().optional(),
})
export type MachineCapability = z.infer<typeof MachineCapability>

export const DoctorReport = z.object({
  ok: z.boolean(),
  checks: z.array(DoctorCheck),
  /** By name. */
  capabilities: z.record(z.string(), MachineCapability),
})
export type DoctorReport = z.infer<typeof DoctorReport>
