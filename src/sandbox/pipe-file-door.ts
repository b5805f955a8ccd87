/** The file half of the pipe's door: one function for each thing that can be asked. */
import { type FileStat, OpenExecError } from '../schema/index.ts'
import { type FileAnswer, fileOperation, type FileRequest } from './pipe-files.ts'
import { readEntries, readSections } from './pipe-listing.ts'
import type { Link } from './pipe-link.ts'
import { u32, u64 } from './protocol-messages.ts'
import { TO } from './protocol.ts'
import type { DirectoryEntry } from './sandbox.ts'

/** Absolute, under the roots the supervisor was given; bytes where a name is not UTF-8. */
type SandboxPath = string | Uint8Array

/**
 * All throw `not_found` where nothing is at the path, `bad_request` for what is refused (a symbolic
 * link in the path, a path outside, no regular file; `details.errno` says more), `sandbox_failed`
 * for a full disk and its like, `cancelled` on abort.
 */
export interface PipeFiles {
  /** Throws `bad_request` for a file larger than `bytesMax`. */
  readFile(
    path: SandboxPath,
    options: { bytesMax: number; signal: AbortSignal },
  ): Promise<Uint8Array>
  /** Creates missing parents and replaces the file in one step. Mode `undefined`: as it was, or 644. */
  writeFile(
    path: SandboxPath,
    content: Uint8Array,
    options: { mode: number | undefined; signal: AbortSignal },
  ): Promise<void>
  /** A file, a link or an empty directory. */
  removeFile(path: SandboxPath, options: { signal: AbortSignal }): Promise<void>
  /** With missing parents; what exists already is fine. */
  makeDirectory(path: SandboxPath, options: { mode: number; signal: AbortSignal }): Promise<void>
  /** Sorted by the bytes of the names. Throws `bad_request` when there are more than `entriesMax`. */
  list(
    path: SandboxPath,
    options: { entriesMax: number; signal: AbortSignal },
  ): Promise<DirectoryEntry[]>
  /** Of the link itself where it is one; `undefined` where nothing is. */
  stat(path: SandboxPath, options: { signal: AbortSignal }): Promise<FileStat | undefined>
  /** What the kernel says inside: path of a file in /proc or /sys → its text. */
  probe(options: { signal: AbortSignal }): Promise<Map<string, string>>
}

/** An entry of a listing is at most this long on the wire. */
const ENTRY_BYTES_MAX = 24 + 255
const PROBE_BYTES_MAX = 2 * 1024 * 1024
const KEEP_MODE = 0xffff_ffff
const WITH_PARENTS = 1

export function fileDoor(link: Link): PipeFiles {
  const ask = (request: Partial<FileRequest> & Pick<FileRequest, 'type' | 'path' | 'signal'>) =>
    fileOperation(link, { payload: [], content: undefined, bytesMax: 0, ...request })
  return {
    readFile: async (path, { bytesMax, signal }) => {
      const answer = await ask({
        type: TO.read,
        path,
        payload: [u64(0, bytesMax)],
        bytesMax,
        signal,
      })
      return uncut(answer, { path, max: `${bytesMax} bytes` }).bytes
    },
    writeFile: async (path, content, { mode, signal }) => {
      const payload = [u32(mode ?? KEEP_MODE), u32(WITH_PARENTS)]
      await ask({ type: TO.write, path, payload, content, signal })
    },
    removeFile: async (path, { signal }) => void (await ask({ type: TO.remove, path, signal })),
    makeDirectory: async (path, { mode, signal }) =>
      void (await ask({ type: TO.makeDirectory, path, payload: [u32(mode)], signal })),
    list: async (path, { entriesMax, signal }) => {
      const bytesMax = entriesMax * ENTRY_BYTES_MAX
      const answer = await ask({
        type: TO.list,
        path,
        payload: [u32(entriesMax)],
        bytesMax,
        signal,
      })
      return readEntries(uncut(answer, { path, max: `${entriesMax} entries` }).bytes)
    },
    stat: async (path, { signal }) => {
      try {
        const { stat } = await ask({ type: TO.stat, path, signal })
        return stat && { type: stat.type, size: stat.size, mode: stat.mode }
      } catch (error) {
        if (error instanceof OpenExecError && error.code === 'not_found') return undefined
        throw error
      }
    },
    probe: async ({ signal }) => {
      const asked = { type: TO.probe, path: undefined, bytesMax: PROBE_BYTES_MAX, signal }
      return readSections((await ask(asked)).bytes)
    },
  }
}

function uncut(answer: FileAnswer, { path, max }: { path: SandboxPath; max: string }): FileAnswer {
  if (!answer.cut) return answer
  throw new OpenExecError(
    'bad_request',
    `Cannot read "${Buffer.from(path).toString()}" in the sandbox: it has more than ${max}`,
    { details: { errno: 'EFBIG' } },
  )
}
