/**
 * A policy after reading: every default filled in, every host and list in one spelling and order.
 * Pure data, so that it can be frozen into a run's snapshot, hashed, stored and read back; two files
 * that differ only in order or spelling are the same policy.
 */
import { z } from 'zod'
import { Isolation, Limits, PolicyRule, SandboxMode, SecretBinding } from '../schema/index.ts'

/** An entry of `network.allow` that says more than a host; empty lists stand for no condition. */
export const NetworkRule = z.strictObject({
  host: z.string(),
  methods: z.array(z.string()),
  paths: z.array(z.string()),
  addresses: z.array(z.string()),
  tls: z.enum(['checked', 'any']),
})
export type NetworkRule = z.infer<typeof NetworkRule>

export const Policy = z.strictObject({
  version: z.literal(1),
  /** The widest mode a stage may have. */
  sandbox: SandboxMode,
  /** Who said so; a flag also replaces what a blueprint takes as default. */
  sandboxFrom: z.enum(['default', 'file', 'flag']),
  isolation: Isolation,
  network: z.strictObject({
    /** Left out where only what is listed is reached. */
    mode: z.literal('audit').optional(),
    /** Canonical host patterns without conditions, hosts of presets included. */
    allow: z.array(z.string()),
    /** Canonical host patterns with conditions. */
    entries: z.array(NetworkRule),
    /** Presets whose hosts this machine's configuration names. */
    presets: z.array(z.string()),
    deny: z.array(z.string()),
  }),
  paths: z.strictObject({
    deny_read: z.array(z.string()),
    deny_write: z.array(z.string()),
    read_only: z.array(z.string()),
    /** When not empty, the only paths that may be written. */
    write_only: z.array(z.string()),
  }),
  limits: Limits,
  secrets: z.array(SecretBinding),
  /** Secrets whose bindings the operator's configuration holds; absent once they are in `secrets`. */
  operatorSecrets: z.array(z.string()).optional(),
  rules: z.array(PolicyRule),
})
export type Policy = z.infer<typeof Policy>
