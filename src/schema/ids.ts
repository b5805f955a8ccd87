/**
 * Ids are branded strings: a prefix that names the noun and 16 characters of base32 (80 random
 * bits), so that a short prefix is unique in practice and none can be guessed.
 */
import { z } from 'zod'

const id = <Brand extends string>(prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{16}$`))
    .brand<Brand>()

export const SessionId = id<'SessionId'>('ses')
export type SessionId = z.infer<typeof SessionId>
export const TaskId = id<'TaskId'>('task')
export type TaskId = z.infer<typeof TaskId>
export const RunId = id<'RunId'>('run')
export type RunId = z.infer<typeof RunId>
export const StepId = id<'StepId'>('step')
export type StepId = z.infer<typeof StepId>
export const ToolCallId = id<'ToolCallId'>('call')
export type ToolCallId = z.infer<typeof ToolCallId>
export const ArtifactId = id<'ArtifactId'>('art')
export type ArtifactId = z.infer<typeof ArtifactId>
export const ApprovalId = id<'ApprovalId'>('appr')
export type ApprovalId = z.infer<typeof ApprovalId>
export const SandboxId = id<'SandboxId'>('sbx')
export type SandboxId = z.infer<typeof SandboxId>

export const TokenId = id<'TokenId'>('tok')
export type TokenId = z.infer<typeof TokenId>
export const WebhookId = id<'WebhookId'>('hook')
export type WebhookId = z.infer<typeof WebhookId>
export const DeliveryId = id<'DeliveryId'>('dlv')
export type DeliveryId = z.infer<typeof DeliveryId>
export const ScheduleId = id<'ScheduleId'>('sched')
export type ScheduleId = z.infer<typeof ScheduleId>

/** Whose a row is: a name in lower case. */
export const Tenant = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/)
export type Tenant = z.infer<typeof Tenant>
/** Of everything made without a server, and of whoever operates one. */
export const DEFAULT_TENANT: Tenant = 'default'

/** Lower-case hex sha256. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)
export type Sha256 = z.infer<typeof Sha256>

/** A git object id, sha1 or sha256 repositories alike. */
export const GitOid = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/)
export type GitOid = z.infer<typeof GitOid>
