export { routeRequest } from './route.ts'
