export { type Api, createApi } from './app.ts'
export { type LocalApi, localFetch } from './local.ts'
export type { RateLimits } from './rates.ts'
export type { ApiServer, ServerLimits } from './server.ts'
export type { ServerLog } from './server-log.ts'

/** Loaded by a server alone: its packages would cost every command their time. */
export const loadServing = () => import('./serving.ts')
