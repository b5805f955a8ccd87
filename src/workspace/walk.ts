/**
 * Visits every entry below a directory that somebody hostile may have written and may still be
 * writing: links are never followed, the depth, the number of entries and the length of a path are
 * bounded, and the event loop gets a turn every few milliseconds.
 */
import type fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import { Directory, errorCode } from './directory.ts'
import { throwIfCancelled } from './git-process.ts'

export interface WalkLimits {
  entries: number
  /** Path components. */
  depth: number
  /** Bytes of one path. */
  pathBytes: number
}

export interface WalkEntry {
  path: BytePath
  name: BytePath
  /** Open only until the visit returns. */
  parent: Directory
  stat: fs.Stats
}

export type WalkObstacle = 'too_deep' | 'path_too_long' | 'unreadable' | 'changed'

export interface WalkVisitor {
  /** A directory; true goes into it. */
  enter(entry: WalkEntry): boolean
  /** Anything else. */
  visit(entry: WalkEntry): void | Promise<void>
  /** Before a directory is listed: which names need a look, and what to do when all were met. */
  begin?(directory: Directory, path: BytePath): { wants(name: BytePath): boolean; end(): void }
  /** What could not be looked at, with everything below it. */
  obstacle(path: BytePath, why: WalkObstacle): void
}

interface Frame {
  directory: Directory
  path: BytePath
  below: BytePath[]
}

/** `ms` the event loop may be held. */
const SLICE_MS = 8

/** Fails with `workspace_failed` beyond `limits.entries`; everything else is told to the visitor. */
export async function walk(
  root: string,
  visitor: WalkVisitor,
  options: { limits: WalkLimits; signal: AbortSignal },
): Promise<{ entries: number }> {
  const { limits, signal } = options
  const stack: Frame[] = []
  const pause = pauser(signal)
  let entries = 0
  const scan = async (directory: Directory, path: BytePath): Promise<void> => {
    const frame: Frame = { directory, path, below: [] }
    stack.push(frame)
    const begun = visitor.begin?.(directory, path)
    for (const { name } of directory.entries()) {
      if (++entries > limits.entries) throw tooMany(limits.entries)
      if (begun?.wants(name) === false) continue
      await pause()
      const visited = look(frame, name, { limits, visitor, depth: stack.length })
      if (visited !== undefined) await visited
    }
    begun?.end()
  }
  try {
    await scan(Directory.open(root), '')
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const name = frame.below.pop()
      if (name === undefined) stack.pop()?.directory.close()
      else await descend(frame, name, { scan, visitor })
    }
    return { entries }
  } finally {
    for (const frame of stack) frame.directory.close()
  }
}

/** Gives the event loop a turn when the current slice is used up, and notices an abort. */
export function pauser(signal: AbortSignal): () => Promise<void> | undefined {
  let calls = 0
  let sliceEnd = performance.now() + SLICE_MS
  return () => {
    if (++calls % 32 !== 0 || performance.now() < sliceEnd) return undefined
    return setImmediate().then(() => {
      throwIfCancelled(signal, 'read the workspace')
      sliceEnd = performance.now() + SLICE_MS
    })
  }
}

function look(
  frame: Frame,
  name: BytePath,
  options: { limits: WalkLimits; visitor: WalkVisitor; depth: number },
): void | Promise<void> {
  const { limits, visitor, depth } = options
  const path = frame.path === '' ? name : `${frame.path}/${name}`
  if (path.length > limits.pathBytes) return visitor.obstacle(path, 'path_too_long')
  const stat = frame.directory.lstat(name)
  if (stat === undefined) return visitor.obstacle(path, 'changed')
  const entry: WalkEntry = { path, name, parent: frame.directory, stat }
  if (!stat.isDirectory()) return visitor.visit(entry)
  if (!visitor.enter(entry)) return undefined
  if (depth > limits.depth) return visitor.obstacle(path, 'too_deep')
  frame.below.push(name)
  return undefined
}

async function descend(
  frame: Frame,
  name: BytePath,
  options: {
    scan(directory: Directory, path: BytePath): Promise<void>
    visitor: WalkVisitor
  },
): Promise<void> {
  const path = frame.path === '' ? name : `${frame.path}/${name}`
  let directory: Directory
  try {
    directory = frame.directory.child(name)
  } catch (error) {
    const denied = errorCode(error) === 'EACCES' || errorCode(error) === 'EPERM'
    options.visitor.obstacle(path, denied ? 'unreadable' : 'changed')
    return
  }
  await options.scan(directory, path)
}

function tooMany(entries: number): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    `Cannot read the workspace: over ${entries} entries`,
    {
      hint: 'Let the task remove what it does not need, or ignore generated directories',
      details: { limit: 'entries', entries },
    },
  )
}
