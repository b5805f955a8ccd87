/** Runs that begin by the clock. */
import { z } from 'zod'
import { RunId, ScheduleId, Tenant } from './ids.ts'
import { CreateRun } from './service.ts'

const MissedPolicy = z.enum(['skip', 'run_once'])
const OverlapPolicy = z.enum(['skip', 'queue'])

export const CreateSchedule = z.strictObject({
  /** Unique in its tenant. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'Expected letters, digits, . _ -'),
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  cron: z.string().min(1).max(200),
  /** IANA name of a time zone, such as `Europe/Berlin`. */
  zone: z.string().min(1).max(64).default('UTC'),
  /** Ticks that came while no server was there. */
  missed: MissedPolicy.default('skip'),
  /** A tick that comes while the run of the one before goes on. */
  overlap: OverlapPolicy.default('skip'),
  /** The body of `POST /v1/runs`, as it will be sent at each tick. */
  run: CreateRun,
})
export type CreateSchedule = z.infer<typeof CreateSchedule>

export const ScheduleTick = z.object({
  /** The moment it stands for, epoch `ms`. */
  tickAt: z.number().int(),
  outcome: z.enum(['claimed', 'waiting', 'started', 'missed', 'overlapped', 'failed']),
  runId: RunId.optional(),
  detail: z.string().optional(),
  decidedAt: z.number().int(),
})
export type ScheduleTick = z.infer<typeof ScheduleTick>

export const Schedule = z.object({
  id: ScheduleId,
  tenant: Tenant,
  name: z.string(),
  cron: z.string(),
  zone: z.string(),
  missed: MissedPolicy,
  overlap: OverlapPolicy,
  request: CreateRun,
  /** Id of the token whose rights its runs have. */
  createdBy: z.string(),
  /** Epoch `ms`, as all of these. */
  createdAt: z.number().int(),
  /** The next tick; none while it is paused, and where there is no more. */
  nextAt: z.number().int().optional(),
  pausedAt: z.number().int().optional(),
  pausedReason: z.string().optional(),
})
export type Schedule = z.infer<typeof Schedule>
