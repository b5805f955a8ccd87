/** What the outside gives to every subsystem, so that tests can give something else. */

/** Epoch `ms`. For records only: durations and deadlines use a monotonic clock. */
export type Clock = () => number

export type IdPrefix =
  | 'ses'
  | 'task'
  | 'run'
  | 'step'
  | 'call'
  | 'art'
  | 'appr'
  | 'sbx'
  | 'tok'
  | 'hook'
  | 'dlv'
  | 'sched'

/** A fresh id text, `<prefix>_` and 16 characters of base32. */
export type NewId = (prefix: IdPrefix) => string

/** Progress and diagnostics for people; goes to stderr, never holds secrets. */
export interface Log {
  info(message: string): void
  warn(message: string): void
}
