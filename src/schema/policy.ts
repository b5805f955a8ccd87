/** Policy as people write it, what is asked of it, and what it answers. */
import { z } from 'zod'
import { ByteSize, Duration } from './units.ts'

export const SandboxMode = z.enum([
  'read_only',
  'workspace_write',
  'repo_write',
  'danger_full_access',
])
export type SandboxMode = z.infer<typeof SandboxMode>

export const Isolation = z.enum(['container', 'gvisor'])
export type Isolation = z.infer<typeof Isolation>

export const Capability = z.enum([
  'repo_read',
  'repo_write',
  'git_commit',
  'git_push',
  'network_access',
  'shell_exec',
  'process_exec',
  'secret_read',
  'model_call',
  'mcp_call',
])
export type Capability = z.infer<typeof Capability>

export const DecisionKind = z.enum(['allow', 'block', 'require_approval'])
export type DecisionKind = z.infer<typeof DecisionKind>

export const Level = z.enum(['none', 'risky', 'critical'])
export type Level = z.infer<typeof Level>

/** What is about to be touched. The runtime derives it from the action, never from a model's claim. */
export const Resource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('path'), path: z.string(), access: z.enum(['read', 'write']) }),
  z.strictObject({ kind: z.literal('argv'), argv: z.array(z.string()).readonly() }),
  z.strictObject({
    kind: z.literal('host'),
    host: z.string(),
    port: z.number().int().min(1).max(65535),
  }),
  z.strictObject({ kind: z.literal('name'), name: z.string() }),
])
export type Resource = z.infer<typeof Resource>

export const PolicyRequest = z.object({
  capability: Capability,
  resource: Resource,
  mode: SandboxMode,
  stage: z.string(),
  /** The action or tool that asks. */
  subject: z.string(),
})
export type PolicyRequest = z.infer<typeof PolicyRequest>

export const PolicyDecision = z.object({
  decision: DecisionKind,
  level: Level,
  capability: Capability,
  /** Ids of the rules that decided, sorted; built-in ones begin with `builtin:`. */
  matched: z.array(z.string()),
  reason: z.string(),
})
export type PolicyDecision = z.infer<typeof PolicyDecision>

const RuleId = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/)

export const PolicyRule = z.strictObject({
  id: RuleId,
  capability: Capability,
  decision: DecisionKind,
  level: Level.optional(),
  reason: z.string().max(500).optional(),
  /** The rule counts only where all that is named here matches. */
  when: z
    .strictObject({
      mode: z.array(SandboxMode).optional(),
      stage: z.array(z.string()).optional(),
      subject: z.array(z.string()).optional(),
      /** Anchored globs over repository paths. */
      path: z.array(z.string()).optional(),
      /** argv prefixes, element by element. */
      argv: z.array(z.array(z.string()).min(1)).optional(),
      host: z.array(z.string()).optional(),
    })
    .optional(),
})
export type PolicyRule = z.infer<typeof PolicyRule>

export const PolicyLimits = z.strictObject({
  cpus: z.number().positive().max(1024).optional(),
  memory: ByteSize.optional(),
  pids: z.number().int().min(16).max(1_000_000).optional(),
  disk: ByteSize.optional(),
  inodes: z.number().int().min(1000).optional(),
  wall: Duration.optional(),
  output: ByteSize.optional(),
})
export type PolicyLimits = z.infer<typeof PolicyLimits>

export const PolicyTest = z.strictObject({
  request: z.strictObject({
    capability: Capability,
    mode: SandboxMode.optional(),
    stage: z.string().optional(),
    subject: z.string().optional(),
    path: z.string().optional(),
    access: z.enum(['read', 'write']).optional(),
    argv: z.array(z.string()).optional(),
    host: z.string().optional(),
    port: z.number().int().optional(),
  }),
  expect: DecisionKind,
})
export type PolicyTest = z.infer<typeof PolicyTest>

const SecretName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'Expected letters, digits and underscores')

/** How a secret stands in a request. */
const SecretUse = z.union([
  z.strictObject({ header: z.string().max(100), format: z.string().max(500).optional() }),
  z.strictObject({ basic: z.strictObject({ user: z.string().max(500) }) }),
])

const secretParts = {
  name: SecretName,
  /** `operator`: what the operator's own configuration declares under this name. */
  from: z.enum(['env', 'file', 'command', 'operator']),
  /** Name of a variable, absolute path of a file, or argv of a command. */
  source: z.union([z.string().min(1), z.array(z.string()).min(1).max(64)]).optional(),
  hosts: z.array(z.string()).min(1).max(64),
  as: SecretUse,
  /** Also sends it outside of TLS. */
  plain_http: z.boolean().optional(),
}

/** A secret, the hosts it goes to, and how. Its value is in no policy. */
export const SecretBinding = z.strictObject(secretParts)
export type SecretBinding = z.infer<typeof SecretBinding>

/** The same in a policy file, where a secret of the operator's is only named. */
export const SecretEntry = z.strictObject({
  ...secretParts,
  hosts: secretParts.hosts.optional(),
  as: SecretUse.optional(),
})
export type SecretEntry = z.infer<typeof SecretEntry>

/** A secret of the operator's configuration, for the tenants that may use it; `*` for all. */
export const OperatorSecret = z.strictObject({
  ...secretParts,
  from: z.enum(['env', 'file', 'command']),
  tenants: z.array(z.string().min(1).max(64)).max(1000).optional(),
})
export type OperatorSecret = z.infer<typeof OperatorSecret>

/** A host with conditions: what may be asked of it, and which addresses its name may have. */
export const NetworkEntry = z.strictObject({
  /** `name`, `*.suffix` or an address, with an optional `:port`. */
  host: z.string(),
  /** HTTP methods; every one when left out. Kept where requests can be seen. */
  methods: z
    .array(z.string().regex(/^[A-Z]{1,20}$/, 'Expected a method in capitals'))
    .min(1)
    .max(32)
    .optional(),
  /** Paths of URLs, `/v1/**`; every one when left out. Kept where requests can be seen. */
  paths: z.array(z.string().startsWith('/')).min(1).max(64).optional(),
  /** Blocks of addresses that are not for everybody but may be answered for this host. */
  addresses: z.array(z.string()).min(1).max(32).optional(),
  /** `any` also lets through TLS that hides or omits its server name, and what is no TLS on 443. */
  tls: z.enum(['checked', 'any']).optional(),
})
export type NetworkEntry = z.infer<typeof NetworkEntry>

/** A policy file (`openexec.policy.yaml`). */
export const PolicyFile = z.strictObject({
  version: z.literal(1),
  sandbox: SandboxMode.optional(),
  isolation: Isolation.optional(),
  network: z
    .strictObject({
      /** `audit` lets everything public through, with a person's approval, and records it. */
      mode: z.enum(['listed', 'audit']).optional(),
      allow: z
        .array(z.union([z.string(), NetworkEntry]))
        .max(1000)
        .optional(),
      presets: z.array(z.string()).max(32).optional(),
      deny: z.array(z.string()).max(1000).optional(),
    })
    .optional(),
  paths: z
    .strictObject({
      deny_read: z.array(z.string()).max(256).optional(),
      deny_write: z.array(z.string()).max(256).optional(),
      read_only: z.array(z.string()).max(256).optional(),
      write_only: z.array(z.string()).max(256).optional(),
    })
    .optional(),
  limits: PolicyLimits.optional(),
  secrets: z.array(SecretEntry).max(64).optional(),
  rules: z.array(PolicyRule).max(1000).optional(),
  tests: z.array(PolicyTest).max(1000).optional(),
})
export type PolicyFile = z.infer<typeof PolicyFile>
