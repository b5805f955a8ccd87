/** What an operator counts about a run that has ended, read from its record. */
import { Reason, type Run, type RunId } from '../schema/index.ts'
import { getRun, listSteps, readEventsOfType, type State } from '../state/index.ts'

export interface RunFigures {
  run: Run
  /** From its submission to its beginning, in seconds; nothing for one that never began. */
  waited: number | undefined
  /** How long its sandboxes took to start, in seconds. */
  sandboxStarts: number[]
  egress: { decision: string; connections: number; bytesIn: number; bytesOut: number }[]
  /** Reasons of its steps and its own that are limits. */
  limits: Reason[]
}

const LIMITS: readonly Reason[] = Reason.options.filter((reason) =>
  /_limit$|^timed_out$|^out_of_memory$|^queue_expired$/.test(reason),
)

export function runFigures({ db }: Pick<State, 'db'>, id: RunId): RunFigures {
  const run = getRun(db, id)
  const reasons = new Set([run.reason, ...listSteps(db, id).map(({ reason }) => reason)])
  const egress = readEventsOfType(db, id, 'egress').map(({ payload, volatile }) => ({
    decision: payload['decision'] === 'allowed' ? 'allowed' : 'denied',
    connections: Number(volatile['connections'] ?? 1),
    bytesIn: Number(volatile['bytes_in'] ?? 0),
    bytesOut: Number(volatile['bytes_out'] ?? 0),
  }))
  return {
    run,
    waited: run.startedAt === undefined ? undefined : (run.startedAt - run.createdAt) / 1000,
    sandboxStarts: readEventsOfType(db, id, 'sandbox_started').flatMap(({ volatile }) =>
      typeof volatile['took_ms'] === 'number' ? [volatile['took_ms'] / 1000] : [],
    ),
    egress,
    limits: LIMITS.filter((limit) => reasons.has(limit)),
  }
}
