import { readdir } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { fileErrorCode } from './file-errors.ts'
import { parseIndexName, type SpoolName } from './spool-format.ts'
import { createSpoolReader, type OutputPiece, type SpoolReader } from './spool-reader.ts'

const POLL_MS = 50

interface FollowOutputOptions {
  /** Whether to give what is there already; otherwise only what comes. */
  fromStart: boolean
  /** Asked before each look: once true, the look is the last. `() => true` reads what is there. */
  isOver(): boolean
  /** Between two looks, in place of the usual rest; must end soon after `signal` aborts. */
  rest?(): Promise<void>
  signal: AbortSignal
}

/**
 * The output of all commands of a run, written by this process or another, in the order of the
 * commands and within each in order of arrival. A slow reader slows nobody down; what was pushed out
 * meanwhile comes as a piece with `leftOut`.
 */
export async function* followOutput(
  outputDir: string,
  { fromStart, isOver, rest, signal }: FollowOutputOptions,
): AsyncGenerator<OutputPiece> {
  const readers = new Map<string, SpoolReader>()
  let skipping = !fromStart
  while (!signal.aborted) {
    const last = isOver()
    for (const name of await listSpools(outputDir)) {
      const reader = readers.get(name.base) ?? createSpoolReader(outputDir, name)
      readers.set(name.base, reader)
      if (reader.ended) continue
      if (skipping) await reader.skip()
      for await (const piece of reader.read()) {
        yield piece
        if (signal.aborted) return
      }
    }
    skipping = false
    if (last) return
    await (rest?.() ?? wait(POLL_MS, undefined, { signal }).catch(() => {}))
  }
}

async function listSpools(outputDir: string): Promise<SpoolName[]> {
  const files = await readdir(outputDir).catch((error: unknown) => {
    if (fileErrorCode(error) === 'ENOENT') return []
    throw error
  })
  const names = files.map(parseIndexName).filter((name) => name !== undefined)
  return names.sort((a, b) => a.n - b.n)
}
