/** The routes that only this machine has: sandboxes without a run. */
import { hc } from 'hono/client'
import type { LocalApi } from '../api/index.ts'
import { OpenExecError } from '../schema/index.ts'
import type { Connection } from './connect.ts'

export const EMBEDDED_URL = 'http://openexec.internal'

/** `fetcher` is that of the program in this very process. */
export function createLocalClient(fetcher: typeof fetch) {
  return hc<LocalApi>(EMBEDDED_URL, { fetch: fetcher })
}

export interface LocalConnection {
  client: ReturnType<typeof createLocalClient>
  /** For what is no JSON; not ended by Ctrl-C. */
  fetch: typeof fetch
}

/** Throws `bad_request` where a server was named. */
export function localOf({ local }: Connection): LocalConnection {
  if (local !== undefined) return local
  throw new OpenExecError('bad_request', 'Cannot use sandboxes without a run over a server', {
    hint: 'Leave --server and OPENEXEC_URL out, or name a state directory with --state DIR',
  })
}
