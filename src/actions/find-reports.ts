/**
 * Report files of a test command in the workspace: what the globs of the repository name and the base
 * commit does not hold, since one that is committed says nothing about this run. The files are a
 * stranger's: the walk is bounded in depth, directories and files, and no link is followed.
 */
import { OpenExecError } from '../schema/index.ts'
import type { DirectoryEntry, Sandbox } from '../sandbox/index.ts'
import { globMatcher } from '../tools/index.ts'
import type { ActionContext } from './action.ts'

const FILES_MAX = 64
const DIRECTORIES_MAX = 500
const DEPTH_MAX = 12
/** Where reports of other people's packages lie. */
const SKIPPED: ReadonlySet<string> = new Set(['.git', 'node_modules'])
const WORKSPACE = '/workspace'

/** Paths relative to the repository, sorted. */
export async function findReports(context: ActionContext): Promise<string[]> {
  const { junit } = context.project
  if (junit.length === 0) return []
  const committed = new Set((await context.tree.baseFiles()).map((file) => file.path))
  const sandbox = await context.sandbox()
  const found = new Set<string>()
  for (const glob of junit)
    for (const path of await matching(sandbox, glob))
      if (!committed.has(path) && found.size < FILES_MAX) found.add(path)
  return [...found].sort()
}

/** Removes what an earlier command reported, so that it is not taken for the word of the next. */
export async function removeReports(context: ActionContext): Promise<void> {
  const sandbox = await context.sandbox()
  for (const path of await findReports(context))
    await sandbox.removeFile(`${WORKSPACE}/${path}`).catch((error: unknown) => {
      // One that cannot be removed is there before and after; the exit code decides anyway.
      if (!(error instanceof OpenExecError) || !HARMLESS.has(error.code)) throw error
    })
}

const HARMLESS: ReadonlySet<string> = new Set(['bad_request', 'not_found', 'sandbox_failed'])

async function matching(sandbox: Sandbox, glob: string): Promise<string[]> {
  const base = plainBeginning(glob)
  if (base === glob) {
    const stat = await sandbox.stat(`${WORKSPACE}/${glob}`)
    return stat?.type === 'file' ? [glob] : []
  }
  const depth = glob.includes('**') ? DEPTH_MAX : glob.split('/').length - depthOf(base)
  // Pattern and names are a stranger's: a matcher that can be slow would never end on some.
  const matches = globMatcher(glob)
  if (typeof matches !== 'function') return []
  return (await filesBelow(sandbox, base, depth)).filter((path) => matches(path))
}

/** The directories a glob names without any wildcard; all of it when it has none. */
function plainBeginning(glob: string): string {
  const parts = glob.split('/')
  const wild = parts.findIndex((part) => /[*?[{]/.test(part))
  return wild < 0 ? glob : parts.slice(0, wild).join('/')
}

/** Files at most `depth` names below a directory, directory by directory. */
async function filesBelow(sandbox: Sandbox, base: string, depth: number): Promise<string[]> {
  const files: string[] = []
  const waiting = [base]
  for (let looked = 0; looked < DIRECTORIES_MAX; looked++) {
    const directory = waiting.shift()
    if (directory === undefined) break
    for (const { name, type } of await entriesOf(sandbox, directory)) {
      const text = new TextDecoder().decode(name)
      const path = directory === '' ? text : `${directory}/${text}`
      if (type === 'file') files.push(path)
      const isBelow = depthOf(path) - depthOf(base) < Math.min(depth, DEPTH_MAX)
      if (type === 'directory' && isBelow && !SKIPPED.has(text)) waiting.push(path)
    }
  }
  return files
}

async function entriesOf(sandbox: Sandbox, directory: string): Promise<DirectoryEntry[]> {
  const path = directory === '' ? WORKSPACE : `${WORKSPACE}/${directory}`
  const stat = await sandbox.stat(path)
  if (stat?.type !== 'directory') return []
  try {
    return await sandbox.list(path)
  } catch (error) {
    if (error instanceof OpenExecError && HARMLESS.has(error.code)) return []
    throw error
  }
}

function depthOf(path: string): number {
  return path === '' ? 0 : path.split('/').length
}
