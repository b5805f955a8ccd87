/**
 * Writes blobs and trees into the object store through one `git fast-import`: contents go in behind
 * their length and names quoted, so no byte of either is ever read as a command, and the cost follows
 * what changed, not the size of the repository.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, quotePath } from './byte-path.ts'
import type { GitCaller } from './git.ts'
import { gitStream, gitTry } from './git.ts'
import { feed, type GitStream } from './git-process.ts'
import { FIXED_IDENTITY, type ObjectStore, storePlace } from './object-store.ts'

export interface TreeEdit {
  path: BytePath
  /** Undefined removes the path. */
  entry: { mode: string; oid: string } | undefined
}

export interface ObjectWriter {
  /** Starts git now, for a caller who will most likely write. */
  begin(): void
  /** Stores one blob; `pieces` must add up to `size`. */
  blob(size: number, pieces: Iterable<Uint8Array>): Promise<void>
  /**
   * Applies edits to a tree and returns the new tree's id. The result is kept from garbage
   * collection by `ref`. Nothing can be written after it.
   */
  tree(base: string, edits: readonly TreeEdit[], ref: string): Promise<string>
  /** Gives up whatever was written; safe to call after `tree()`. */
  close(): Promise<void>
}

/** Starts git on the first write. */
export function openObjectWriter(caller: GitCaller, store: ObjectStore): ObjectWriter {
  let stream: GitStream | undefined
  const started = (): GitStream => {
    stream ??= gitStream(caller, storePlace(store), [
      '-c',
      // As one pack: another process to unpack it would take longer than all the rest.
      'fastimport.unpackLimit=1',
      'fast-import',
      '--quiet',
      '--done',
      '--force',
      '--depth=0',
      '--date-format=raw-permissive',
    ])
    return stream
  }
  return {
    begin: () => void started(),
    async blob(size, pieces) {
      await feed(started(), `blob\ndata ${size}\n`)
      for (const piece of pieces) await feed(started(), piece)
      await feed(started(), '\n')
    },
    async tree(base, edits, ref) {
      const git = started()
      const answer = readLine(git.stdout)
      // A stream that breaks is told by `feed()` and `done`.
      answer.catch(() => undefined)
      await feed(git, `commit ${ref}\ncommitter ${committer()}\ndata 0\nM 040000 ${base} ""\n`)
      for (const { path, entry } of edits) {
        if (entry === undefined) await feed(git, `D ${quotePath(path)}\n`)
      }
      for (const { path, entry } of edits) {
        if (entry !== undefined)
          await feed(git, `M ${entry.mode} ${entry.oid} ${quotePath(path)}\n`)
      }
      git.stdin.end('ls ""\n\ndone\n')
      const line = await answer
      await git.done
      await joinPacks(caller, store)
      return treeOf(line, store)
    },
    async close() {
      stream?.kill()
      await stream?.done.catch(() => undefined)
    },
  }
}

/** Packs of a store beyond which they become fewer: each is looked into by every git that starts. */
const PACKS_MAX = 32

/** What cannot be joined now stays, and is tried again after the next write. */
async function joinPacks(caller: GitCaller, store: ObjectStore): Promise<void> {
  const names = fs.readdirSync(path.join(store.gitDir, 'objects/pack'))
  if (names.filter((name) => name.endsWith('.pack')).length <= PACKS_MAX) return
  await gitTry(caller, storePlace(store), ['repack', '--geometric=2', '-d', '-l', '-q'])
}

async function readLine(stdout: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stdout) text = (text + String(chunk)).slice(0, 1024)
  return text
}

function treeOf(line: string, store: ObjectStore): string {
  const oid = /^040000 tree ([0-9a-f]+)\t/.exec(line)?.[1]
  if (oid !== undefined) return oid
  // The root of a tree without any entry is "missing".
  if (line.startsWith('missing')) return EMPTY_TREE[store.objectFormat]
  throw new OpenExecError(
    'workspace_failed',
    'Cannot write the tree of the workspace: no answer of git',
  )
}

function committer(): string {
  return `${FIXED_IDENTITY.name} <${FIXED_IDENTITY.email}> ${FIXED_IDENTITY.date}`
}

const EMPTY_TREE = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321',
} as const
