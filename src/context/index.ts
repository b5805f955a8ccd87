export {
  buildContextPack,
  createIndexCache,
  type IndexCache,
  type PackFile,
  type PackRequest,
} from './build-pack.ts'
export { isSecretFile, redactLines } from './redact.ts'
export { renderContextPack } from './render-pack.ts'
