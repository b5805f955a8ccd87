/**
 * The order in which two streams arrived, as run lengths in a file that readers follow.
 *
 * A task can change streams with every byte, so after `exactLinesMax` lines the order is kept only
 * by windows: the file then grows by at most two lines for each window, however the task writes.
 */
import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { type SpoolEnd, type SpoolHeader, type Stream, STREAMS } from './spool-format.ts'

/** `ms` and bytes after which a window is written. */
const WINDOW_MS = 50
const WINDOW_BYTES = 1024 * 1024

export interface SpoolIndex {
  /** Bytes that are in the stream's file already. */
  add(stream: Stream, bytes: number): Promise<void>
  end(end: SpoolEnd): Promise<void>
  close(): Promise<void>
}

interface IndexedBefore {
  lines: number
  /** Bytes of each stream that will be given again; below 0: bytes that were never told of. */
  again: Record<Stream, number>
}

const NOTHING: IndexedBefore = { lines: 0, again: { stdout: 0, stderr: 0 } }

/** Makes the index at once, so that its name is taken when the call returns. */
export function createSpoolIndex(path: string, header: SpoolHeader): void {
  writeFileSync(path, `${JSON.stringify(header)}\n`, { flag: 'wx', mode: 0o600 })
}

/**
 * `before`: what an earlier process has told of, and how much of it will be given again. More than it
 * has told may be there, which is then told first.
 */
export async function openSpoolIndex(
  path: string,
  { exactLinesMax, before = NOTHING }: { exactLinesMax: number; before?: IndexedBefore },
): Promise<SpoolIndex> {
  const file = await open(path, 'a')
  let { lines } = before
  let waiting = { stdout: 0, stderr: 0 }
  const again = { stdout: before.again.stdout, stderr: before.again.stderr }
  for (const stream of STREAMS)
    if (again[stream] < 0) {
      await file.appendFile(lineOf(stream, -again[stream]))
      again[stream] = 0
    }
  let windowStart = 0
  let timer: NodeJS.Timeout | undefined
  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const { stdout, stderr } = waiting
    waiting = { stdout: 0, stderr: 0 }
    windowStart = performance.now()
    const text = `${lineOf('stdout', stdout)}${lineOf('stderr', stderr)}`
    if (text !== '') await file.appendFile(text)
  }
  return {
    add: async (stream, given) => {
      const known = Math.min(again[stream], given)
      again[stream] -= known
      const bytes = given - known
      if (bytes === 0) return
      lines += 1
      if (lines <= exactLinesMax) return await file.appendFile(lineOf(stream, bytes))
      waiting[stream] += bytes
      const full = waiting.stdout + waiting.stderr >= WINDOW_BYTES
      if (full || performance.now() - windowStart >= WINDOW_MS) return await flush()
      // A command that falls silent must not keep its last window from readers; what fails here
      // fails again at the next write or at the end.
      timer ??= setTimeout(() => void flush().catch(() => {}), WINDOW_MS).unref()
    },
    end: async (end) => {
      await flush()
      await file.appendFile(`${JSON.stringify({ end })}\n`)
    },
    close: async () => {
      clearTimeout(timer)
      await file.close()
    },
  }
}

function lineOf(stream: Stream, bytes: number): string {
  if (bytes === 0) return ''
  return `${stream === 'stdout' ? 'o' : 'e'} ${bytes}\n`
}
