/** The log of a server: one JSON object a line, for programs that collect them. */
import { type DestinationStream, pino } from 'pino'
import { type Log, OpenExecError } from '../schema/index.ts'
import type { RunFigures } from '../runtime/index.ts'
import type { AnsweredRequest } from './service-app.ts'

export interface ServerLog extends Log {
  answered(request: AnsweredRequest): void
  /** A run that has ended here. */
  ran(figures: RunFigures): void
  bug(error: unknown, requestId: string | undefined): void
}

export function createServerLog(destination: DestinationStream): ServerLog {
  const logger = pino(
    { base: { pid: process.pid }, redact: ['token', 'authorization', 'headers.authorization'] },
    destination,
  )
  return {
    info: (message) => logger.info(message),
    warn: (message) => logger.warn(message),
    answered: ({ requestId, runId, ...rest }) =>
      logger.info(
        { request_id: requestId, run_id: runId, ...rest, ms: Math.round(rest.ms * 10) / 10 },
        'request',
      ),
    ran: ({ run: { id, tenant, status, reason }, waited }) =>
      logger.info({ run_id: id, tenant, status, reason, waited_s: waited }, 'run ended'),
    bug: (error, requestId) =>
      logger.error(
        { request_id: requestId, err: error },
        error instanceof OpenExecError ? error.message : 'bug',
      ),
  }
}
