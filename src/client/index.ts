/** The typed client of a server, as `openexec/client`; the command line is made of it. */
export {
  addressPart,
  bodyOf,
  bytesOf,
  type Client,
  createClient,
  createRemoteClient,
  errorOf,
} from './client.ts'
export { followRun } from './follow.ts'
export { OpenExecError } from '../schema/index.ts'
