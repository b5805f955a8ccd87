/** Goes down from an open directory to the one a path lies in, component by component, no link followed. */
import fs from 'node:fs'
import type { BytePath } from './byte-path.ts'
import { closing, type Directory, errorCode } from './directory.ts'

export interface Located {
  /** Directory the path lies in; the caller closes it. */
  parent: Directory
  name: BytePath
}

/** Undefined when a component is missing or is no directory. */
export function locate(root: Directory, path: BytePath): Located | undefined {
  try {
    return descend(root, path, () => undefined)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined
    throw error
  }
}

/** What `work` makes of a path, or undefined where the way to it is none. */
export function atPath<T>(
  root: Directory,
  path: BytePath,
  work: (parent: Directory, name: BytePath) => T,
): T | undefined {
  const located = locate(root, path)
  if (located === undefined) return undefined
  return closing([located.parent], () => work(located.parent, located.name))
}

/** Makes the directories that are missing; `made` is told each of them. */
export function locateOrMake(
  root: Directory,
  path: BytePath,
  made: (parent: Directory, name: BytePath, path: BytePath) => void,
): Located {
  return descend(root, path, (parent, name, directory) => {
    if (parent.lstat(name) !== undefined) return
    fs.mkdirSync(parent.at(name), 0o777)
    made(parent, name, directory)
  })
}

function descend(
  root: Directory,
  path: BytePath,
  prepare: (parent: Directory, name: BytePath, path: BytePath) => void,
): Located {
  const components = path.split('/')
  const name = components.pop() ?? ''
  let parent = root.child('.')
  let walked = ''
  for (const component of components) {
    walked = walked === '' ? component : `${walked}/${component}`
    try {
      prepare(parent, component, walked)
      const child = parent.child(component)
      parent.close()
      parent = child
    } catch (error) {
      parent.close()
      throw error
    }
  }
  return { parent, name }
}

/** Removes the directories above a path that are empty, nearest first. */
export function pruneParents(
  root: Directory,
  path: BytePath,
  removed: (directory: BytePath) => void,
): void {
  let below = path
  for (let slash = below.lastIndexOf('/'); slash > 0; slash = below.lastIndexOf('/')) {
    below = below.slice(0, slash)
    const located = locate(root, below)
    if (located === undefined) continue
    try {
      fs.rmdirSync(located.parent.at(located.name))
      removed(below)
    } catch {
      // Not empty: it stays, and so does all above it.
      return
    } finally {
      located.parent.close()
    }
  }
}
