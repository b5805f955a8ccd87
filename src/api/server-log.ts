/** The log of a server: one JSON object a line, for programs that collect them. */
import { type DestinationStream, pino } from 'pino'
import { type Log, OpenExecError } from '../schema/index.ts'
import type { AnsweredRequest } from './service-app.ts'

export interface ServerLog extends Log {
  answered(request: AnsweredRequest): void
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
    answered: ({ requestId, ...rest }) =>
      logger.info({ request_id: requestId, ...rest, ms: Math.round(rest.ms * 10) / 10 }, 'request'),
    bug: (error, requestId) =>
      logger.error(
        { request_id: requestId, err: error },
        error instanceof OpenExecError ? error.message : 'bug',
      ),
  }
}
