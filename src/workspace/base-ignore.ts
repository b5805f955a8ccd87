/** The `.gitignore` files of a tree, read from its blobs. */
import type { BytePath } from './byte-path.ts'
import { fromBytes } from './byte-path.ts'
import { openBlobReader } from './blob-reader.ts'
import type { GitCaller } from './git.ts'
import { compileIgnoreRules, type IgnoreRules } from './ignore-rules.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { knownFile, type TreeState } from './tree-state.ts'

/** Bytes of one file and number of files that are read; the rest has no say. */
const FILE_BYTES_MAX = 256 * 1024
const FILES_MAX = 2000

/** Must be read while `state` is what the base commit holds. */
export async function readIgnoreRules(
  caller: GitCaller,
  store: ObjectStore,
  state: TreeState,
): Promise<IgnoreRules> {
  const wanted: { directory: BytePath; oid: string }[] = []
  const named = state.base?.index
    .named('.gitignore')
    .map((entry) => [entry.path, knownFile(entry)] as const)
  for (const [path, { mode, oid }] of named ?? state.files) {
    if (!path.endsWith('.gitignore') || mode === '120000' || wanted.length >= FILES_MAX) continue
    if (path === '.gitignore') wanted.push({ directory: '', oid })
    else if (path.endsWith('/.gitignore')) wanted.push({ directory: path.slice(0, -11), oid })
  }
  if (wanted.length === 0) return compileIgnoreRules(new Map())
  const files = new Map<BytePath, string>()
  const reader = openBlobReader(caller, storePlace(store))
  try {
    for (const { directory, oid } of wanted) {
      const pieces: Buffer[] = []
      let kept = 0
      await reader.pipe(oid, (piece) => {
        kept += piece.length
        if (kept <= FILE_BYTES_MAX) pieces.push(Buffer.from(piece))
      })
      if (kept <= FILE_BYTES_MAX) files.set(directory, fromBytes(Buffer.concat(pieces)))
    }
  } finally {
    await reader.close()
  }
  return compileIgnoreRules(files)
}
