import type { Log } from './schema/index.ts'

/** The same log, without the values of secrets that are known when a line is written. */
export function withoutSecrets(log: Log, redact: (text: string) => string): Log {
  return {
    info: (message) => log.info(redact(message)),
    warn: (message) => log.warn(redact(message)),
  }
}
