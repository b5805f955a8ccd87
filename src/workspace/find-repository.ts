/**
 * Finds the repository a path belongs to by looking, not by asking git: git's own discovery obeys the
 * caller's environment and refuses other people's repositories, and a bare directory inside a tree
 * must never be taken for one. What is found is checked to be of a kind git and we both understand.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { ObjectFormat } from './content.ts'
import { errorCode } from './directory.ts'

export interface FoundRepository {
  /** Root of the checkout. */
  root: string
  /** Directory with HEAD and index of this checkout. */
  gitDir: string
  /** Directory with objects, refs and config. */
  commonDir: string
}

const POINTER_BYTES_MAX = 8192

/** Throws `repository_invalid` naming what is wrong with the path. */
export function findRepository(start: string): FoundRepository {
  const from = realDirectory(start)
  for (let directory = from; ; directory = path.dirname(directory)) {
    const gitDir = gitDirOf(directory)
    if (gitDir !== undefined) return { root: directory, gitDir, commonDir: commonDirOf(gitDir) }
    if (isGitDir(directory)) throw notACheckout(start, directory)
    if (directory === path.dirname(directory)) break
  }
  throw new OpenExecError('repository_invalid', `Cannot open "${start}": not a git repository`, {
    hint: 'Run `git init && git add -A && git commit` there, or pass the path of a repository with --repo',
  })
}

/**
 * Reads format and extensions of a repository's configuration text (`git config --list` of that file
 * alone). Throws `repository_unsafe` on an extension whose meaning is not known here.
 */
export function checkFormat(config: ReadonlyMap<string, string>, root: string): ObjectFormat {
  for (const [key, value] of config) {
    if (!key.startsWith('extensions.')) continue
    const name = key.slice('extensions.'.length)
    if (!KNOWN_EXTENSIONS.has(name)) {
      throw unsafe(root, `its extension "${name}" is not supported`)
    }
    if (name === 'refstorage' && value !== 'files') {
      throw unsafe(root, `its ref storage "${value}" is not supported (expected "files")`)
    }
  }
  const format = config.get('extensions.objectformat') ?? 'sha1'
  if (format === 'sha1' || format === 'sha256') return format
  throw unsafe(root, `its object format "${format}" is not known`)
}

const KNOWN_EXTENSIONS = new Set([
  'noop',
  'objectformat',
  'partialclone',
  'preciousobjects',
  'refstorage',
  'relativeworktrees',
  'worktreeconfig',
])

function realDirectory(start: string): string {
  try {
    const real = fs.realpathSync(start)
    if (fs.statSync(real).isDirectory()) {
      fs.accessSync(real, fs.constants.R_OK | fs.constants.X_OK)
      return real
    }
  } catch (error) {
    throw new OpenExecError('repository_invalid', unreadable(start, error), {
      hint: 'Check the path given with --repo and your rights on it',
      cause: error,
    })
  }
  throw new OpenExecError('repository_invalid', `Cannot open "${start}": not a directory`, {
    hint: 'Pass the directory of a repository with --repo',
  })
}

function unreadable(start: string, error: unknown): string {
  const code = errorCode(error)
  if (code === 'ENOENT') return `Cannot open "${start}": no such directory`
  if (code === 'EACCES' || code === 'EPERM') return `Cannot open "${start}": permission denied`
  return `Cannot open "${start}": ${code ?? 'unreadable'}`
}

function gitDirOf(directory: string): string | undefined {
  const candidate = path.join(directory, '.git')
  const stat = fs.statSync(candidate, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (stat.isDirectory()) return isGitDir(candidate) ? fs.realpathSync(candidate) : undefined
  if (!stat.isFile() || stat.size > POINTER_BYTES_MAX) return undefined
  const target = /^gitdir: (.+)\n?$/s.exec(readText(candidate))?.[1]?.replace(/\n+$/, '')
  if (target === undefined) throw unsafe(directory, 'its ".git" file names no directory')
  const gitDir = path.resolve(directory, target)
  if (!isGitDir(gitDir) && !fs.existsSync(path.join(gitDir, 'commondir'))) {
    throw new OpenExecError(
      'repository_invalid',
      `Cannot open "${directory}": its ".git" file points to "${gitDir}", which is no git directory`,
      { hint: 'Run `git worktree repair` in the main checkout' },
    )
  }
  return fs.realpathSync(gitDir)
}

function commonDirOf(gitDir: string): string {
  const file = path.join(gitDir, 'commondir')
  if (!fs.existsSync(file)) return gitDir
  return fs.realpathSync(path.resolve(gitDir, readText(file).trim()))
}

function isGitDir(directory: string): boolean {
  return ['HEAD', 'objects', 'refs'].every((name) => fs.existsSync(path.join(directory, name)))
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    throw new OpenExecError('repository_invalid', unreadable(file, error), { cause: error })
  }
}

function notACheckout(start: string, directory: string): OpenExecError {
  const what = path.basename(directory) === '.git' ? 'inside a git directory' : 'a bare repository'
  return new OpenExecError('repository_invalid', `Cannot open "${start}": ${what}`, {
    hint: 'Clone it (`git clone`) and pass the clone with --repo',
  })
}

function unsafe(root: string, what: string): OpenExecError {
  return new OpenExecError('repository_unsafe', `Cannot use repository "${root}": ${what}`, {
    hint: 'Clone it into a new directory and use the clone',
  })
}
