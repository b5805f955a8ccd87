/** Looks through the tree a workspace is to be made of, before a byte of it is written. */
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, toName } from './byte-path.ts'
import { type GitCaller, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { nulRecords, parseTreeEntry, type TreeEntry } from './records.ts'
import { remembered } from './repository-memory.ts'

/** What a workspace may hold at its start. */
export interface BaseTreeLimits {
  entries: number
  /** Sum of all files. */
  bytes: number
}

export interface BaseTreeSurvey {
  /** Everything but directories, in the order of an index. */
  listed: TreeEntry[]
  bytes: number
  /** Paths the predicate named. */
  denied: BytePath[]
  submodules: BytePath[]
}

export const BASE_TREE_LIMITS: BaseTreeLimits = { entries: 1_000_000, bytes: 20 * 1024 ** 3 }

/** Throws `repository_invalid` when the tree exceeds a limit. */
export async function surveyTree(
  caller: GitCaller,
  store: ObjectStore,
  request: {
    tree: string
    denyRead(path: string | Uint8Array): boolean
    limits: BaseTreeLimits
  },
): Promise<BaseTreeSurvey> {
  const { limits } = request
  const survey: BaseTreeSurvey = { listed: [], bytes: 0, denied: [], submodules: [] }
  const take = (records: readonly string[]): void => {
    for (const record of records) {
      const entry = parseTreeEntry(record)
      const { mode, path } = entry
      survey.listed.push(entry)
      survey.bytes += sizeOf(record)
      if (mode === '160000') survey.submodules.push(path)
      if (request.denyRead(toName(path))) survey.denied.push(path)
    }
    if (survey.listed.length > limits.entries) throw over(`${limits.entries} files`)
    if (survey.bytes > limits.bytes) throw over(`${limits.bytes} bytes`)
  }
  const { memory } = caller.program
  const known = memory && (await rememberedListing(caller, store, request.tree))
  if (known !== undefined) take(known)
  else for await (const records of listTree(caller, store, request.tree)) take(records)
  return survey
}

/** Entries of a tree that is small enough to be remembered. */
const KNOWN_ENTRIES_MAX = 20_000

async function rememberedListing(
  caller: GitCaller,
  store: ObjectStore,
  tree: string,
): Promise<string[] | undefined> {
  const facts = [store.gitDir, tree]
  const weigh = (records: string[] | undefined) => (records?.join('').length ?? 0) * 2
  return await remembered(caller.program.memory, { name: 'listing', facts, weigh }, async () => {
    const all: string[] = []
    for await (const records of listTree(caller, store, tree)) {
      all.push(...records)
      if (all.length > KNOWN_ENTRIES_MAX) return undefined
    }
    return all
  })
}

async function* listTree(
  caller: GitCaller,
  store: ObjectStore,
  tree: string,
): AsyncGenerator<string[]> {
  const args = ['ls-tree', '-r', '-l', '-z', '--full-tree', tree]
  const listing = gitStream(caller, storePlace(store), args)
  try {
    yield* nulRecords(listing.stdout)
    await listing.done
  } finally {
    listing.kill()
  }
}

/** "mode type oid    size<TAB>path"; a submodule has "-" for a size. */
function sizeOf(record: string): number {
  const tab = record.indexOf('\t')
  const size = Number(record.slice(record.lastIndexOf(' ', tab) + 1, tab))
  return Number.isNaN(size) ? 0 : size
}

function over(what: string): OpenExecError {
  return new OpenExecError(
    'repository_invalid',
    `Cannot make a workspace: the tree has over ${what}`,
    {
      hint: 'Choose a smaller repository or an earlier commit',
    },
  )
}
