/**
 * A directory held open, and operations on the names right below it. Node has no `openat`, so names
 * are reached through `/proc/self/fd/<n>`: no component above the last one is looked up again, and
 * the last one is never followed. Where there is no such file system the plain path is used and
 * compared with what was opened, which narrows a race but does not close it.
 */
import fs from 'node:fs'
import { type BytePath, fromBytes, fsPath } from './byte-path.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants
const OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK
const HAS_FD_PATHS = fs.existsSync('/proc/self/fd')
const ENTRY_BATCH = 512

export class Directory {
  readonly #fd: number
  readonly #base: string | Buffer
  #open = true

  private constructor(fd: number, path: string | Buffer) {
    this.#fd = fd
    this.#base = HAS_FD_PATHS ? `/proc/self/fd/${fd}` : path
  }

  /** Opens a directory of the host; a symbolic link in the last component is refused. */
  static open(path: string | Buffer): Directory {
    const fd = fs.openSync(path, OPEN_DIRECTORY)
    const directory = new Directory(fd, path)
    if (HAS_FD_PATHS) return directory
    const [opened, named] = [fs.fstatSync(fd), fs.lstatSync(path)]
    if (opened.ino === named.ino && opened.dev === named.dev) return directory
    directory.close()
    throw Object.assign(new Error('Directory was replaced while it was opened'), { code: 'ELOOP' })
  }

  child(name: BytePath): Directory {
    return Directory.open(this.at(name))
  }

  /** Path of a name below this directory, good until `close()`. */
  at(name: BytePath): string | Buffer {
    if (typeof this.#base === 'string') return fsPath(this.#base, name)
    return Buffer.concat([this.#base, Buffer.from(`/${name}`, 'latin1')])
  }

  /** What is there, links not followed; undefined when nothing is. */
  lstat(name: BytePath): fs.Stats | undefined {
    return fs.lstatSync(this.at(name), { throwIfNoEntry: false })
  }

  /** Opens for reading without following or blocking; the caller checks what it got and closes it. */
  openFile(name: BytePath): number {
    return fs.openSync(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  /** Creates a file that must not exist yet; the caller closes it. */
  createFile(name: BytePath, mode: number): number {
    return fs.openSync(this.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  }

  readLink(name: BytePath): Buffer {
    return fs.readlinkSync(this.at(name), { encoding: 'buffer' })
  }

  rename(name: BytePath, to: Directory, toName: BytePath): void {
    fs.renameSync(this.at(name), to.at(toName))
  }

  /** Names and kinds in the order of the file system, read in batches. */
  *entries(): Generator<{ name: BytePath; entry: fs.Dirent }> {
    // The types of Node leave out that names may be asked for as bytes.
    const options = { encoding: 'buffer' as unknown as BufferEncoding, bufferSize: ENTRY_BATCH }
    const listing = fs.opendirSync(this.#base, options)
    try {
      for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
        const name: unknown = entry.name
        yield { name: name instanceof Uint8Array ? fromBytes(name) : String(name), entry }
      }
    } finally {
      listing.closeSync()
    }
  }

  close(): void {
    if (this.#open) fs.closeSync(this.#fd)
    this.#open = false
  }
}

/** Closes the directories when `work` has ended, however it ends. */
export function closing<T>(directories: readonly Directory[], work: () => T): T {
  try {
    return work()
  } finally {
    for (const directory of directories) directory.close()
  }
}

/** The same for work that takes its time. */
export async function closingAfter<T>(
  directories: readonly Directory[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } finally {
    for (const directory of directories) directory.close()
  }
}

/** `code` of a system error, or undefined. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}
