/**
 * Named, typed outputs of a run. Bytes are stored first and durably (`put`), the row that names them
 * comes after, in the transaction of the step that made them (`record`); a crash in between leaves a
 * blob that nobody names, which is collected later. A copy of the name for people is linked into the
 * run's directory once the row has committed.
 */
import { join } from 'node:path'
import {
  type Artifact,
  ArtifactId,
  type Clock,
  type Log,
  type NewId,
  OpenExecError,
  type RunId,
} from '../schema/index.ts'
import {
  type Db,
  findArtifact,
  getArtifact,
  insertArtifact,
  listArtifacts,
  type State,
} from '../state/index.ts'
import { blobPath, type BlobRef, type Content, isBlobStored, putBlob, readBlob } from './blobs.ts'
import { type BlobCollection, collectBlobs } from './collect-blobs.ts'
import { exportFile } from './export-file.ts'
import { runDirectory, showArtifact } from './run-directory.ts'

/** What its maker says of an artifact. */
type ArtifactDraft = Pick<Artifact, 'runId' | 'stepId' | 'name' | 'type' | 'mediaType'>

interface ArtifactsDeps {
  state: State
  /** The state directory: holds `blobs/` and `runs/`. */
  root: string
  now: Clock
  newId: NewId
  log: Log
}

export interface Artifacts {
  /** Stores bytes durably under their sha256. Throws `state_unusable`. */
  put(content: Content): Promise<BlobRef>
  /** Names stored bytes, in the caller's transaction. */
  record(tx: Db, draft: ArtifactDraft & { blob: BlobRef }): Artifact
  /** `put` and `record` in a transaction of its own. */
  save(draft: ArtifactDraft & { content: Content }): Promise<Artifact>
  /** In the order they were made. */
  list(runId: RunId): Artifact[]
  /** The latest of a name, else by id prefix. Throws `not_found` or `bad_request`. */
  find(runId: RunId, nameOrId: string): Artifact
  /** The bytes piece by piece, checked on the way. Throws `not_found` or `state_corrupt`. */
  open(id: ArtifactId): AsyncGenerator<Uint8Array>
  /** The whole content, checked. Throws `bad_request` when it has more than `maxBytes`. */
  read(id: ArtifactId, options: { maxBytes: number }): Promise<Uint8Array>
  /** Copies the checked content to a path of the user. Throws `conflict` when something is there. */
  exportTo(id: ArtifactId, path: string): Promise<void>
  /** Removes content that no artifact names and that is older than `before` (epoch `ms`). */
  collect(options: { before: number }): BlobCollection
}

export function createArtifacts({ state, root, now, newId, log }: ArtifactsDeps): Artifacts {
  const blobsDir = join(root, 'blobs')
  const show = (artifact: Artifact): void => {
    const { runId, name, mediaType, sha256 } = artifact
    try {
      showArtifact(runDirectory(root, runId), { blob: blobPath(blobsDir, sha256), name, mediaType })
    } catch (error) {
      log.warn(
        `Cannot show artifact "${name}" in the directory of run "${runId}": ${String(error)}`,
      )
    }
  }
  const record: Artifacts['record'] = (tx, { blob, ...draft }) => {
    if (!isBlobStored(blobsDir, blob))
      throw new Error(`Cannot record artifact "${draft.name}": its content is not stored`)
    const id = ArtifactId.parse(newId('art'))
    const artifact: Artifact = { ...draft, ...blob, id, createdAt: now() }
    insertArtifact(tx, artifact)
    state.afterCommit(() => show(artifact))
    return artifact
  }
  const put = (content: Content) => putBlob(blobsDir, content)
  const read: Artifacts['read'] = async (id, { maxBytes }) => {
    const artifact = getArtifact(state.db, id)
    if (artifact.size > maxBytes)
      throw new OpenExecError(
        'bad_request',
        `Cannot read artifact "${artifact.name}" whole: it has ${artifact.size} bytes, at most ${maxBytes} are read`,
        {
          hint: `Write it to a file with \`openexec artifacts get ${artifact.runId} ${artifact.name}\``,
        },
      )
    const chunks: Uint8Array[] = []
    for await (const chunk of readBlob(blobsDir, artifact)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  return {
    put,
    record,
    save: async ({ content, ...draft }) => {
      const blob = await put(content)
      return state.transact((tx) => record(tx, { ...draft, blob }))
    },
    list: (runId) => listArtifacts(state.db, runId),
    find: (runId, nameOrId) => findArtifact(state.db, runId, nameOrId),
    open: (id) => readBlob(blobsDir, getArtifact(state.db, id)),
    read,
    exportTo: (id, path) => exportFile(readBlob(blobsDir, getArtifact(state.db, id)), path),
    collect: (options) => collectBlobs(state, blobsDir, options),
  }
}
