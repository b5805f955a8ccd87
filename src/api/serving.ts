/** What only a server needs, and the packages that come with it. */
export { metricsOf } from './metrics.ts'
export { openApiDocument } from './openapi.ts'
export { ownRoutes } from './own-routes.ts'
export { createRates, RATE_LIMITS } from './rates.ts'
export { listen, SERVER_LIMITS } from './server.ts'
export { createServerLog } from './server-log.ts'
export { createTickets } from './stream/tickets.ts'
