export {
  addressPart,
  bodyOf,
  bytesOf,
  type Client,
  createClient,
  createRemoteClient,
  errorOf,
} from '../client/index.ts'
