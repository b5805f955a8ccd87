export { ROUTER_VERSION, type RouteInput, routeRequest } from './route.ts'
