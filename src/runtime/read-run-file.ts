import { join } from 'node:path'
import { committedPolicy, POLICY_FILE, policyFrom } from '../blueprint/index.ts'
import { deniesRead } from '../policy/index.ts'
import { OpenExecError, type RunId } from '../schema/index.ts'
import { getRun } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'

const FILE_BYTES_MAX = 16 * 1024 * 1024
const READ_TIMEOUT_MS = 60_000

/**
 * A file as the last checkpoint of the run has it. What policy keeps from being read is as if it were
 * not there. Throws `not_found`.
 */
export async function readRunFile(deps: RuntimeDeps, id: RunId, path: string): Promise<Uint8Array> {
  const { request, baseTree, headTree = baseTree } = getRun(deps.state.db, id)
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS)
  const { workspaces } = deps
  if (headTree === undefined || baseTree === undefined) throw missing(id, path)
  const store = await workspaces.openStore(request.repo, signal)
  const found =
    request.origin === undefined
      ? join(request.repo, POLICY_FILE)
      : await committedPolicy(workspaces, { store, tree: baseTree }, signal)
  if (deniesRead(policyFrom({ named: request.policyFile, found }), path)) throw missing(id, path)
  const files = await workspaces.listFiles(store, { tree: headTree, signal })
  const file = files.find((each) => each.path === path)
  if (file === undefined) throw missing(id, path)
  if (file.size > FILE_BYTES_MAX)
    throw new OpenExecError(
      'bad_request',
      `Cannot read "${path}": it has ${file.size} bytes, at most ${FILE_BYTES_MAX} are read`,
    )
  const blobs = workspaces.openBlobs(store, signal)
  try {
    return await blobs.read(file.oid, FILE_BYTES_MAX)
  } finally {
    await blobs.close()
  }
}

function missing(id: RunId, path: string): OpenExecError {
  return new OpenExecError('not_found', `Cannot find file "${path}" in run "${id}"`, {
    hint: 'Paths are relative to the root of the repository, without a leading slash',
  })
}
