export { type Artifacts, createArtifacts } from './artifacts.ts'
export type { BlobRef } from './blobs.ts'
export { followOutput } from './follow-output.ts'
export {
  createRunDirectory,
  removeRunDirectory,
  runDirectory,
  writeRunDocument,
} from './run-directory.ts'
export { recordOutput, storeOutput } from './save-output.ts'
export { resumeSpool } from './resume-spool.ts'
export { openSpool, type SpooledOutput, type SpooledStream } from './spool.ts'
