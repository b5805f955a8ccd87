/** Ranks the tree before each of the last commits by the commit's message, and counts what it found. */
import {
  CHURN_COMMITS,
  type ContextPacks,
  createPlainWords,
  FILE_BYTES_MAX,
  RANKER_VERSION,
  recallOf,
  type RecallSample,
  taskOf,
} from '../context/index.ts'
import { OpenExecError, type RecallReport, type RecallRequest } from '../schema/index.ts'
import type { HistoryCommit, ObjectStore, Workspaces } from '../workspace/index.ts'

interface Deps {
  workspaces: Workspaces
  packs: ContextPacks
}

/** Commits are looked through for ones that can be tried, this many for each that is wanted. */
const LOOKED_THROUGH = 4

export async function measureRecall(
  { workspaces, packs }: Deps,
  { repo, ref, commits: wanted, baseline }: RecallRequest,
  signal: AbortSignal,
): Promise<RecallReport> {
  const { store, commit } = await workspaces.openSource({
    path: repo,
    ref,
    includeDirty: false,
    signal,
  })
  const history = await workspaces.history(store, {
    commit,
    limit: Math.min(wanted * LOOKED_THROUGH, 4000),
    messages: true,
    signal,
  })
  const blobs = workspaces.openBlobs(store, signal)
  const readBlob = (oid: string) => blobs.read(oid, FILE_BYTES_MAX)
  const plain = baseline ? createPlainWords(readBlob) : undefined
  const [samples, plainSamples]: RecallSample[][] = [[], []]
  const took: number[] = []
  let files = 0
  try {
    for (const past of history) {
      if (samples === undefined || plainSamples === undefined || samples.length >= wanted) break
      const tree = await treeBefore(workspaces, store, past, signal)
      const task = tree && taskOf(past, new Set(tree.files.map(({ path }) => path)))
      if (tree === undefined || task === undefined) continue
      files = Math.max(files, tree.files.length)
      const began = performance.now()
      const ranked = await packs.rank({ ...tree, query: task.query, readBlob })
      took.push(performance.now() - began)
      samples.push({ ranked: ranked.map(({ path }) => path), changed: task.changed })
      if (plain !== undefined)
        plainSamples.push({
          ranked: await plain.rank(task.query, tree.files),
          changed: task.changed,
        })
    }
  } finally {
    await blobs.close()
  }
  if (samples === undefined || samples.length === 0) throw nothingToTry(repo)
  return {
    ranker_version: RANKER_VERSION,
    commits: samples.length,
    files,
    ranked: recallOf(samples),
    ...(plainSamples !== undefined && baseline && { plain_words: recallOf(plainSamples) }),
    median_ms: Math.round(took.sort((a, b) => a - b)[Math.floor(took.length / 2)] ?? 0),
  }
}

/** The tree a commit was made on, with the history that was known then. */
async function treeBefore(
  workspaces: Workspaces,
  store: ObjectStore,
  { parent }: HistoryCommit,
  signal: AbortSignal,
) {
  if (parent === undefined) return undefined
  const request = { commit: parent, limit: CHURN_COMMITS, messages: false, signal }
  return {
    files: await workspaces.listFiles(store, { tree: parent, signal }),
    history: { commit: parent, recent: () => workspaces.history(store, request) },
  }
}

function nothingToTry(repo: string): OpenExecError {
  return new OpenExecError(
    'bad_request',
    `Cannot measure on "${repo}": no commit changes 1 to 20 files that were there before it`,
    {
      hint: 'Name a repository with a history; a shallow clone has none (`git fetch --unshallow`)',
    },
  )
}
