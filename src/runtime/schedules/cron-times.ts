/**
 * When a cron expression is due in a time zone. Daylight saving is the library's: a time that is left
 * out is made up for when the clock has jumped, one that comes twice counts the first time.
 */
import { Cron } from 'croner'
import { OpenExecError } from '../../schema/index.ts'

export interface CronTimes {
  /** The first tick after a moment, epoch `ms`; `undefined` where there is none any more. */
  after(at: number): number | undefined
  /** The last tick that is not later than a moment. */
  lastUntil(at: number): number | undefined
}

/** Throws `bad_request` for an expression or zone that means nothing. */
export function cronTimes(expression: string, zone: string): CronTimes {
  refuseZone(zone)
  const cron = parse(expression, zone)
  const msOf = (date: Date | null | undefined) => date?.getTime()
  return {
    after: (at) => msOf(cron.nextRun(new Date(at))),
    lastUntil(at) {
      // A moment itself is no run before it, so one a second later is asked for first.
      const [near] = cron.previousRuns(1, new Date(at + 1000))
      if (near === undefined || near.getTime() <= at) return msOf(near)
      return msOf(cron.previousRuns(1, near)[0])
    },
  }
}

function parse(expression: string, zone: string): Cron {
  try {
    const cron = new Cron(expression, { timezone: zone, mode: '5-part', paused: true })
    if (cron.nextRun() !== null) return cron
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/^\w+: /, '') : 'it cannot be read'
    throw unusable(expression, why, cause)
  }
  throw unusable(expression, 'it is never due')
}

function unusable(expression: string, why: string, cause?: unknown): OpenExecError {
  return new OpenExecError('bad_request', `Cannot use cron expression "${expression}": ${why}`, {
    hint: 'Five fields: minute, hour, day of the month, month, day of the week; for example "30 2 * * 1-5"',
    details: { field: 'cron' },
    cause,
  })
}

function refuseZone(zone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
  } catch (cause) {
    throw new OpenExecError('bad_request', `Cannot use time zone "${zone}": it is not known`, {
      hint: 'Name one as IANA does, such as Europe/Berlin or America/New_York, or UTC',
      details: { field: 'zone' },
      cause,
    })
  }
}
