/** Whether `timeline.jsonl` says what the table says, line by line. */
import { closeSync, openSync, readSync } from 'node:fs'
import { canonicalJson, type RunId } from '../schema/index.ts'
import { readEvents, type State } from '../state/index.ts'
import { mirrorPath } from './mirror.ts'

export interface CopyCheck {
  /** False for a line that differs or is too much; a copy that ends early is `behind`. */
  ok: boolean
  /** Lines that say the same. */
  verified: number
  /** The copy holds less than the table, which is no sign of anything while a run goes on. */
  behind: boolean
  /** Line at which it first differs, from 1, with the reason. */
  firstBad?: number
  problem?: string
}

const BATCH_SIZE = 200
const CHUNK_BYTES = 256 * 1024
/** Above the longest line. */
const LINE_BYTES_MAX = 512 * 1024

export function verifyCopy(
  { state, runsDir }: { state: State; runsDir: string },
  runId: RunId,
): CopyCheck {
  const lines = linesOf(mirrorPath(runsDir, runId))
  let verified = 0
  for (let after = 0; ; after = verified) {
    const batch = readEvents(state.db, runId, { after, limit: BATCH_SIZE })
    for (const event of batch) {
      const line = lines.next()
      if (line.done === true) return { ok: true, verified, behind: true }
      if (line.value !== canonicalJson(event))
        return bad(verified, 'It differs from the event that is stored')
      verified += 1
    }
    if (batch.length > 0) continue
    const more = lines.next().done !== true
    return more
      ? bad(verified, 'There is no such event in the database')
      : { ok: true, verified, behind: false }
  }
}

function bad(verified: number, problem: string): CopyCheck {
  return { ok: false, verified, behind: false, firstBad: verified + 1, problem }
}

/** Whole lines; none where there is no file. What is longer than any event is cut, and so differs. */
function* linesOf(path: string): Generator<string> {
  let fd
  try {
    fd = openSync(path, 'r')
  } catch {
    return
  }
  try {
    let rest = Buffer.alloc(0)
    const chunk = Buffer.alloc(CHUNK_BYTES)
    for (;;) {
      const read = readSync(fd, chunk, 0, chunk.length, null)
      if (read === 0) break
      rest = Buffer.concat([rest, chunk.subarray(0, read)])
      for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
        yield rest.toString('utf8', 0, end)
        rest = rest.subarray(end + 1)
      }
      if (rest.length > LINE_BYTES_MAX) return yield rest.toString('utf8', 0, LINE_BYTES_MAX)
    }
    if (rest.length > 0) yield rest.toString()
  } finally {
    closeSync(fd)
  }
}
