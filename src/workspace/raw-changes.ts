/** Which paths differ between two trees, or between an index and files, as git's raw format says it. */
import type { Readable } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import { type GitCaller, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { nulRecords } from './records.ts'

export interface RawChange {
  path: BytePath
  /** Octal text; `000000` where the path is not. */
  oldMode: string
  newMode: string
  oldOid: string
  /** Zeros where the path is not, or where git has not read the file. */
  newOid: string
  status: 'added' | 'deleted' | 'modified' | 'type_changed'
}

/** Paths a comparison may name before it is refused. */
const CHANGES_MAX = 1_000_000
const STATUS = { A: 'added', D: 'deleted', M: 'modified', T: 'type_changed' } as const

/** Every path that differs between two trees of the store, sorted, without rename detection. */
export async function changesBetween(
  caller: GitCaller,
  store: ObjectStore,
  trees: { from: string; to: string },
): Promise<RawChange[]> {
  if (trees.from === trees.to) return []
  const args = ['diff-tree', '-r', '-z', '--raw', '--no-abbrev', '--no-renames', '--no-ext-diff']
  const place = storePlace(store)
  const stream = gitStream(caller, place, [...args, '--end-of-options', trees.from, trees.to, '--'])
  try {
    const changes = await readRawChanges(stream.stdout)
    await stream.done
    return changes
  } finally {
    stream.kill()
  }
}

/** Reads `--raw -z` output; an unmerged path counts as modified. */
export async function readRawChanges(stdout: Readable): Promise<RawChange[]> {
  const changes: RawChange[] = []
  let fields: string | undefined
  for await (const records of nulRecords(stdout)) {
    for (const record of records) {
      if (fields === undefined) {
        fields = record
      } else {
        changes.push(parseChange(fields, record))
        fields = undefined
      }
    }
    if (changes.length > CHANGES_MAX) {
      throw new OpenExecError(
        'workspace_failed',
        `Cannot compare: over ${CHANGES_MAX} paths differ`,
      )
    }
  }
  return changes
}

function parseChange(fields: string, path: BytePath): RawChange {
  const match = /^:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])/.exec(fields)
  const [, oldMode, newMode, oldOid, newOid, letter] = match ?? []
  if (
    oldMode === undefined ||
    newMode === undefined ||
    oldOid === undefined ||
    newOid === undefined
  ) {
    throw new OpenExecError('workspace_failed', 'Cannot read the output of git: malformed change')
  }
  const status = letter === 'A' || letter === 'D' || letter === 'T' ? STATUS[letter] : STATUS.M
  return { path, oldMode, newMode, oldOid, newOid, status }
}
