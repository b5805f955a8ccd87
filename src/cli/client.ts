export {
  addressPart,
  bodyOf,
  bytesOf,
  type Client,
  createClient,
  createRemoteClient,
} from '../client/index.ts'
