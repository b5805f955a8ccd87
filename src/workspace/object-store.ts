/**
 * Where objects and refs of runs are kept: one bare repository per source repository below the state
 * directory, which borrows the objects of the source. So nothing is written to the user's repository,
 * and results outlive the workspace they came from.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { ObjectFormat } from './content.ts'
import { errorCode } from './directory.ts'
import { barePlace, type GitPlace } from './git-environment.ts'

export interface ObjectStore {
  gitDir: string
  objectFormat: ObjectFormat
  /** Common directory of the source repository. */
  commonDir: string
}

/** Author, committer and date of everything made here, so that equal trees give equal ids. */
export const FIXED_IDENTITY = {
  name: 'OpenExec',
  email: 'openexec@localhost',
  /** 2000-01-01T00:00:00Z */
  date: '946684800 +0000',
} as const

export function storePlace(store: ObjectStore): GitPlace {
  return barePlace(store.gitDir)
}

/** Opens the store of a source, creating it the first time; safe to call from two processes. */
export function openObjectStore(
  stateDir: string,
  source: { commonDir: string; objectFormat: ObjectFormat },
): ObjectStore {
  const gitDir = storeDirectory(stateDir, source.commonDir)
  if (!fs.existsSync(path.join(gitDir, 'HEAD'))) createStore(gitDir, source)
  else restoreSettings(gitDir, settingsOf({ ...source, borrowsFrom: lenderOf(source) }))
  copyShallow(source.commonDir, gitDir)
  return { gitDir, objectFormat: source.objectFormat, commonDir: source.commonDir }
}

/** Where the store of a source is, or would be. */
export function storeDirectory(stateDir: string, commonDir: string): string {
  const digest = createHash('sha256').update(commonDir).digest('hex').slice(0, 16)
  return path.join(stateDir, 'git', `${digest}.git`)
}

/** Lets a repository that borrows objects end its history where the lender's ends. */
export function copyShallow(from: string, to: string): void {
  const [here, there] = [path.join(from, 'shallow'), path.join(to, 'shallow')]
  if (!fs.existsSync(here)) {
    fs.rmSync(there, { force: true })
    return
  }
  const draft = `${there}.${process.pid}.tmp`
  fs.copyFileSync(here, draft)
  fs.renameSync(draft, there)
}

/** Stores below a state directory with the source each belongs to. */
export function listObjectStores(stateDir: string): { gitDir: string; commonDir: string }[] {
  const parent = path.join(stateDir, 'git')
  const names = fs.existsSync(parent) ? fs.readdirSync(parent) : []
  return names.flatMap((name) => {
    if (!/^[0-9a-f]{16}\.git$/.test(name)) return []
    const gitDir = path.join(parent, name)
    const source = path.join(gitDir, 'openexec-source')
    return fs.existsSync(source) ? [{ gitDir, commonDir: fs.readFileSync(source, 'utf8') }] : []
  })
}

/** Text of a git configuration for a repository made here. */
export function repositoryConfig(format: ObjectFormat, lines: readonly string[]): string {
  const version = format === 'sha1' ? 0 : 1
  const extensions = format === 'sha1' ? [] : ['[extensions]', '\tobjectFormat = sha256']
  return `${['[core]', `\trepositoryformatversion = ${version}`, ...lines, ...extensions].join('\n')}\n`
}

/** One line of `objects/info/alternates`, quoted where a path needs it. */
export function alternateLine(directory: string): string {
  if (/^[\x21\x24-\x7e][\x20-\x7e]*$/.test(directory) && !directory.includes('"')) return directory
  const bytes = Buffer.from(directory, 'utf8').toString('latin1')
  const escaped = bytes.replaceAll(/[^\x20-\x7e]|["\\]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
  return `"${escaped}"`
}

function createStore(
  gitDir: string,
  source: { commonDir: string; objectFormat: ObjectFormat },
): void {
  const draft = `${gitDir}.${process.pid}.tmp`
  try {
    fs.rmSync(draft, { recursive: true, force: true })
    makeBareRepository(draft, { ...source, borrowsFrom: lenderOf(source) })
    fs.writeFileSync(path.join(draft, 'openexec-source'), source.commonDir)
    fs.renameSync(draft, gitDir)
  } catch (error) {
    fs.rmSync(draft, { recursive: true, force: true })
    // Another process was first.
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return
    throw new OpenExecError('state_unusable', `Cannot create object store "${gitDir}"`, {
      hint: 'Check that the state directory is writable and its disk not full',
      cause: error,
    })
  }
}

/** A repository with our configuration alone, which reads what it lacks from another one, if any. */
export function makeBareRepository(
  gitDir: string,
  options: { objectFormat: ObjectFormat; borrowsFrom: string | undefined },
): void {
  for (const below of ['objects/info', 'objects/pack', 'refs/heads', 'info']) {
    fs.mkdirSync(path.join(gitDir, below), { recursive: true, mode: 0o700 })
  }
  for (const [name, content] of Object.entries(settingsOf(options))) {
    fs.writeFileSync(path.join(gitDir, name), content)
  }
  fs.writeFileSync(path.join(gitDir, 'HEAD'), 'ref: refs/heads/none\n')
}

function lenderOf(source: { commonDir: string }): string {
  return path.join(source.commonDir, 'objects')
}

/** The files that decide which programs git runs and what it reads. */
function settingsOf(options: {
  objectFormat: ObjectFormat
  borrowsFrom: string | undefined
}): Record<string, string> {
  const { borrowsFrom } = options
  return {
    ...(borrowsFrom !== undefined && {
      'objects/info/alternates': `${alternateLine(borrowsFrom)}\n`,
    }),
    config: repositoryConfig(options.objectFormat, ['\tbare = true']),
    // Bytes in trees are bytes in files: no attribute of the repository converts anything.
    'info/attributes': BYTE_EXACT_ATTRIBUTES,
  }
}

/**
 * Where the store lies in a checkout, a later commit can bring files with the names of these: git
 * overwrites what is ignored. So they are ours again before any git reads them.
 */
function restoreSettings(gitDir: string, settings: Record<string, string>): void {
  for (const [name, content] of Object.entries(settings)) {
    const file = path.join(gitDir, name)
    const stat = fs.lstatSync(file, { throwIfNoEntry: false })
    if (stat?.isFile() === true && stat.size === Buffer.byteLength(content)) {
      if (fs.readFileSync(file, 'utf8') === content) continue
    }
    const draft = `${file}.${process.pid}.tmp`
    fs.rmSync(draft, { force: true })
    fs.writeFileSync(draft, content, { flag: 'wx' })
    fs.renameSync(draft, file)
  }
}

/** Wins over every `.gitattributes`: no filter, no end-of-line or encoding conversion. */
export const BYTE_EXACT_ATTRIBUTES = '* -text !eol !crlf -ident !filter !working-tree-encoding\n'
