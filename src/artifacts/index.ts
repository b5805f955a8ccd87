export {
  type ArtifactDraft,
  type Artifacts,
  type ArtifactsDeps,
  createArtifacts,
} from './artifacts.ts'
export type { BlobRef, Content } from './blobs.ts'
export type { BlobCollection } from './collect-blobs.ts'
export { followOutput, type FollowOutputOptions } from './follow-output.ts'
export {
  createRunDirectory,
  removeRunDirectory,
  type RunDirectory,
  runDirectory,
  writeRunDocument,
} from './run-directory.ts'
export { recordOutput, storeOutput, type StoredOutput } from './save-output.ts'
export {
  type ByteFilter,
  openSpool,
  type OutputSpool,
  type SpooledOutput,
  type SpooledStream,
  type SpoolOptions,
} from './spool.ts'
export type { OutputPiece } from './spool-reader.ts'
