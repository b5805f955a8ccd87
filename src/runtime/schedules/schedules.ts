/** The schedules of a tenant. Whoever makes one lends it the rights of their token. */
import {
  type Clock,
  type CreateSchedule,
  type NewId,
  OpenExecError,
  type Schedule,
  ScheduleId,
  type ScheduleTick,
} from '../../schema/index.ts'
import {
  countSchedules,
  getSchedule,
  insertSchedule,
  listSchedules,
  listTicks,
  pauseSchedule,
  removeSchedule,
  resumeSchedule,
  type State,
} from '../../state/index.ts'
import type { Caller, Tokens } from '../tokens.ts'
import { cronTimes } from './cron-times.ts'

export interface Schedules {
  /** Throws `bad_request`, `conflict` for a name that is taken and at the limit. */
  create(request: CreateSchedule, by: Caller): Schedule
  list(by: Caller): Schedule[]
  /** By id or name, as all that name one. Throws `not_found`. */
  get(idOrName: string, by: Caller): Schedule & { ticks: ScheduleTick[] }
  remove(idOrName: string, by: Caller): Schedule
  pause(idOrName: string, by: Caller): Schedule
  /** Goes on with the rights of whoever asks; what was due meanwhile is not made up for. */
  resume(idOrName: string, by: Caller): Schedule
  /** Records that somebody started its run by hand. */
  noteRun(idOrName: string, run: string, by: Caller): void
}

interface SchedulesDeps {
  state: State
  now: Clock
  newId: NewId
  record: Tokens['record']
}

const SCHEDULES_OF_TENANT = 100
const TICKS_SHOWN = 50

export function createSchedules(deps: SchedulesDeps): Schedules {
  const { state, now, record } = deps
  const find = (idOrName: string, by: Caller) => getSchedule(state.db, by.tenant, idOrName)
  const change = (
    { idOrName, by, action }: { idOrName: string; by: Caller; action: string },
    work: (schedule: Schedule) => void,
  ): Schedule =>
    state.transact(() => {
      const schedule = find(idOrName, by)
      work(schedule)
      const { name } = schedule
      record(by, { action: `schedule.${action}`, subject: schedule.id, details: { name } })
      return schedule
    })
  return {
    create: (request, by) => create(deps, request, by),
    list: ({ tenant }) => listSchedules(state.db, tenant),
    get(idOrName, by) {
      const schedule = find(idOrName, by)
      return { ...schedule, ticks: listTicks(state.db, schedule.id, { limit: TICKS_SHOWN }) }
    },
    remove: (idOrName, by) =>
      change({ idOrName, by, action: 'remove' }, ({ id }) => removeSchedule(state.db, id)),
    pause(idOrName, by) {
      const reason = 'Paused by hand'
      const { id } = change({ idOrName, by, action: 'pause' }, (schedule) =>
        pauseSchedule(state.db, schedule.id, { reason, now: now() }),
      )
      return find(id, by)
    },
    resume(idOrName, by) {
      const { id } = change({ idOrName, by, action: 'resume' }, ({ id: one, cron, zone }) => {
        const nextAt = cronTimes(cron, zone).after(now())
        resumeSchedule(state.db, one, { nextAt, createdBy: by.actor })
      })
      return find(id, by)
    },
    noteRun(idOrName, run, by) {
      const { id, name } = find(idOrName, by)
      record(by, { action: 'schedule.run', subject: id, details: { name, run } })
    },
  }
}

function create(
  { state, now, newId, record }: SchedulesDeps,
  { name, cron, zone, missed, overlap, run }: CreateSchedule,
  by: Caller,
): Schedule {
  const { tenant, actor } = by
  const createdAt = now()
  const nextAt = cronTimes(cron, zone).after(createdAt)
  const schedule: Schedule = {
    id: ScheduleId.parse(newId('sched')),
    tenant,
    name,
    cron,
    zone,
    missed,
    overlap,
    request: run,
    createdBy: actor,
    createdAt,
    ...(nextAt !== undefined && { nextAt }),
  }
  state.transact((tx) => {
    if (countSchedules(tx, tenant) >= SCHEDULES_OF_TENANT)
      throw new OpenExecError(
        'conflict',
        `Cannot add a schedule: the tenant has ${SCHEDULES_OF_TENANT} already`,
        { hint: 'Remove one with `openexec schedule rm`' },
      )
    insertSchedule(tx, schedule)
    const details = { name, cron, zone, missed, overlap }
    record(by, { action: 'schedule.create', subject: schedule.id, details })
  })
  return schedule
}
