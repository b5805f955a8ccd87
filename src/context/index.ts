export { buildContextPack } from './build-pack.ts'
export { renderContextPack } from './render-pack.ts'
