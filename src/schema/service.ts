/** What a server adds to the model: who asks, what they may, and what a run is asked to be over HTTP. */
import { z } from 'zod'
import { Document } from './catalog.ts'
import { GitOid, RunId, Tenant, TokenId } from './ids.ts'
import { JsonObject } from './json.ts'
import { RunRequest, RunStatus } from './run.ts'
import { Duration } from './units.ts'

/** What a token may do. `admin` includes the others, for its own tenant. */
export const Scope = z.enum(['runs:read', 'runs:create', 'exec', 'approve', 'admin'])
export type Scope = z.infer<typeof Scope>

export const Token = z.object({
  id: TokenId,
  tenant: Tenant,
  name: z.string(),
  scopes: z.array(Scope),
  /** Epoch `ms`, as all of these. */
  createdAt: z.number().int(),
  expiresAt: z.number().int().optional(),
  revokedAt: z.number().int().optional(),
  usedAt: z.number().int().optional(),
})
export type Token = z.infer<typeof Token>

export const CreateToken = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: z.array(Scope).min(1).max(Scope.options.length),
  /** The caller's own when omitted. */
  tenant: Tenant.optional(),
  /** How long it is valid; for ever when omitted. */
  expires_in_ms: z
    .number()
    .int()
    .positive()
    .max(10 * 366 * 86_400_000)
    .optional(),
})
export type CreateToken = z.infer<typeof CreateToken>

/** One administrative action: who did what to whom. */
export const AuditEntry = z.object({
  ordinal: z.number().int(),
  at: z.number().int(),
  tenant: Tenant,
  /** Id of the token, or `local` for whoever has the state directory. */
  actor: z.string(),
  action: z.string(),
  subject: z.string().optional(),
  requestId: z.string().optional(),
  details: JsonObject,
})
export type AuditEntry = z.infer<typeof AuditEntry>

/** A revision is no option of git, and names nothing outside of the repository. */
const Ref = z
  .string()
  .regex(/^(?!-)[A-Za-z0-9._/@^~+-]{1,200}$/, 'Expected a commit, branch or tag')

const RepoPath = z.strictObject({
  /** Absolute path on the machine of the server. */
  path: z.string().min(1).max(4096),
  ref: Ref.optional(),
  /** Starts from uncommitted changes too. */
  include_dirty: z.boolean().optional(),
})
const RepoUrl = z.strictObject({
  /** https or ssh. */
  url: z.string().min(1).max(2048),
  ref: Ref.optional(),
})

const RepoUpload = z.strictObject({
  /** As the answer to `POST /v1/uploads` names it. */
  source: z.string().regex(/^[0-9a-f]{32}$/, 'Expected the source of an upload'),
  commit: GitOid,
  /** The commit of the client's own that `commit` stands on; itself when omitted. */
  anchor: GitOid.optional(),
})

/** The body of `POST /v1/runs`. Documents travel by content: a server reads no files for its callers. */
export const CreateRun = z.strictObject({
  ...RunRequest.pick({ image: true, sandbox: true, model: true, localModelOnly: true }).shape,
  repo: z.union([RepoPath, RepoUrl, RepoUpload]),
  /** Name of a shipped blueprint, or a document. */
  blueprint: z.union([z.string().min(1).max(200), Document]).optional(),
  /** argv; with it and no blueprint, `command` is meant. */
  command: z.array(z.string().max(131_072)).min(1).max(10_000).optional(),
  task: z.string().max(100_000).optional(),
  inputs: z.record(z.string().max(200), z.string()).optional(),
  /** YAML text of a policy, the same as an object, or a document. */
  policy: z.union([z.string().min(1), Document, JsonObject]).optional(),
  /** Turns of the scripted model. */
  model_script: Document.optional(),
  /** Wall-clock limit of the run: `90s`, `10m`, or `ms` as a number. */
  timeout: z.union([z.number().int().positive(), Duration]).optional(),
  /** Higher ones of a tenant go first. */
  priority: z.number().int().min(-100).max(100).optional(),
  /** How long it may wait for its beginning: `90s`, `10m`, or `ms` as a number. */
  ttl: z.union([z.number().int().positive(), Duration]).optional(),
  accept_degraded: z.boolean().optional(),
})
export type CreateRun = z.infer<typeof CreateRun>

/** How much waits for a server, and how much it executes. */
export const Queued = z.object({
  waiting: z.number().int().nonnegative(),
  running: z.number().int().nonnegative(),
  /** Runs at once, as measured. */
  capacity: z.number().int().nonnegative(),
  runs: z.array(z.object({ id: RunId, status: RunStatus, position: z.number().int() })).optional(),
})
export type Queued = z.infer<typeof Queued>
