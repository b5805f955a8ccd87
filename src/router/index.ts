export { type Endpoint, localEndpoint } from './local-endpoint.ts'
export { routeRequest, routeWithEndpoint } from './route.ts'
