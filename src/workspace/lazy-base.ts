/**
 * What a workspace over a seed was made of, read for those directories alone in which something may
 * have changed. The kernel gives a directory of the seed a twin in the upper layer before anything in
 * it changes, and keeps the twin for ever: a name without one is what it was in the seed.
 */
import fs from 'node:fs'
import type { BytePath } from './byte-path.ts'
import type { ObjectFormat } from './content.ts'
import { Directory, errorCode } from './directory.ts'
import type { IndexEntry } from './git-index.ts'
import { atPath } from './parents.ts'
import { SeedIndex } from './seed-index.ts'

export interface LazyBase {
  readonly index: SeedIndex
  /** Names right in a directory of the upper layer. */
  touched(directory: BytePath): Set<BytePath>
  /** What the base holds right in a directory; its files only the first time. */
  load(directory: BytePath): { files: IndexEntry[]; directories: readonly BytePath[] }
  /** Files below a directory that is gone, as far as they were not given before. */
  loadBelow(directory: BytePath): IndexEntry[]
  /** Whether the files right in a directory were given. */
  isLoaded(directory: BytePath): boolean
}

export function createLazyBase(
  file: string,
  { upper, format }: { upper: string; format: ObjectFormat },
): LazyBase {
  const index = new SeedIndex(fs.readFileSync(file), format)
  const loaded = new Map<BytePath, readonly BytePath[]>()
  const load: LazyBase['load'] = (directory) => {
    const known = loaded.get(directory)
    if (known !== undefined) return { files: [], directories: known }
    const children = index.childrenOf(directory)
    loaded.set(directory, children.directories)
    return children
  }
  return {
    index,
    load,
    isLoaded: (directory) => loaded.has(directory),
    touched: (directory) => namesIn(upper, directory),
    loadBelow(directory) {
      const files: IndexEntry[] = []
      const pending = [directory]
      for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
        const children = load(next)
        files.push(...children.files)
        pending.push(...children.directories)
      }
      return files
    },
  }
}

/** No link is followed on the way; a directory that is not there has none. */
function namesIn(upper: string, directory: BytePath): Set<BytePath> {
  const names = new Set<BytePath>()
  const root = Directory.open(upper)
  try {
    const list = (found: Directory): void => {
      for (const { name } of found.entries()) names.add(name)
    }
    if (directory === '') list(root)
    else
      atPath(root, directory, (parent, name) => {
        const found = parent.child(name)
        try {
          list(found)
        } finally {
          found.close()
        }
      })
    return names
  } catch (error) {
    if (!GONE.has(errorCode(error) ?? '')) throw error
    return names
  } finally {
    root.close()
  }
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])
