import { planProject, type ProjectPlan } from '../actions/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import { readBaseText } from './plan-project.ts'

/** What the base commit says of itself; read here so that what is wrong with it is told at once. */
export async function projectOf(
  workspaces: Workspaces,
  { store, tree }: Source,
  signal: AbortSignal,
): Promise<ProjectPlan> {
  const files = workspaces.listFiles(store, { tree, signal })
  const blobs = workspaces.openBlobs(store, signal)
  const base = {
    baseFiles: () => files,
    readBlob: (oid: string, maxBytes: number) => blobs.read(oid, maxBytes),
  }
  try {
    return await planProject((path) => readBaseText(base, path))
  } finally {
    await blobs.close()
  }
}
