export { followRun } from '../client/index.ts'
