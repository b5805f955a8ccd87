export {
  buildContextPack,
  createIndexCache,
  type IndexCache,
  type PackFile,
  type PackRequest,
} from './build-pack.ts'
export { renderContextPack } from './render-pack.ts'
