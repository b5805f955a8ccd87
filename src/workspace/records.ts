/** Output of git that ends each record with NUL, read as a stream, names as bytes. */
import type { Readable } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'

/** Longest record: a path of git's own limit with what stands before it. */
const RECORD_BYTES_MAX = 64 * 1024

/** Whole records, as many at a time as a chunk held; bytes read as latin1. */
export async function* nulRecords(stream: Readable): AsyncGenerator<string[]> {
  let rest = ''
  for await (const chunk of stream) {
    // A stream without an encoding yields buffers only.
    const records = (rest + (chunk as Buffer).toString('latin1')).split('\0')
    rest = records.pop() ?? ''
    if (rest.length > RECORD_BYTES_MAX) {
      throw new OpenExecError('workspace_failed', 'Cannot read the output of git: endless record')
    }
    if (records.length > 0) yield records
  }
  if (rest !== '') yield [rest]
}

export interface TreeEntry {
  /** Octal text, as git writes it: `100644`, `100755`, `120000`, `160000`. */
  mode: string
  oid: string
  path: BytePath
}

/** One record of `ls-tree -r -z` or `ls-files -s -z`. */
export function parseTreeEntry(record: string): TreeEntry {
  const tab = record.indexOf('\t')
  const fields = record.slice(0, tab).split(' ')
  const [mode, second, third] = fields
  // `ls-tree` says "mode type oid", `ls-files -s` says "mode oid stage".
  const oid = second === 'blob' || second === 'commit' || second === 'tree' ? third : second
  if (tab < 0 || mode === undefined || oid === undefined) {
    throw new OpenExecError('workspace_failed', 'Cannot read the output of git: malformed entry')
  }
  return { mode, oid, path: record.slice(tab + 1) }
}
