/** The API as one tenant has it. */
import { createApi } from './api/index.ts'
import { backupState, requestOfBody } from './runtime/index.ts'
import type { Tenant } from './schema/index.ts'
import type { Parts, ServeOptions } from './serve.ts'

export function apiOfTenant(
  { openRoots, hookOrigins, log }: ServeOptions,
  { program, opened, service }: Parts,
  tenant: Tenant,
) {
  const { root, tokens, uploads } = opened
  return createApi({
    runtime: opened.runtimeOf(tenant),
    catalog: program.catalog,
    advisor: program.advisor,
    tokens,
    webhooks: opened.webhooksAt(hookOrigins),
    schedules: opened.schedules,
    uploads,
    admit: () => service.queue.admit(tenant),
    launch: service.resume,
    submit: (request, place) => service.submit(tenant, request, place),
    requestOf: (body, caller) => requestOfBody({ root, openRoots, uploads }, body, caller),
    counts: service.queue.counts,
    backup: (directory) => backupState({ state: opened.deps.state, root }, directory),
    onBug: log.bug,
  })
}
