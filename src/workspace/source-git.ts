/**
 * simple-git over the user's own repository, for questions with short answers. It runs in the same
 * hardened environment as all other git; its guards forbid such variables unless they are named, as
 * they are here, because they would be dangerous with any other values.
 */
import { OpenExecError } from '../schema/index.ts'
import {
  barePlace,
  GIT_VERSION_MIN,
  gitEnvironment,
  type GitPlace,
  NOWHERE,
} from './git-environment.ts'
import { gitTry } from './git.ts'
import { type GitProgram, throwIfCancelled } from './git-process.ts'

export interface SourceGit {
  /** Standard output, trimmed; undefined when git answers "no" (any exit code but 0). */
  ask(args: readonly string[]): Promise<string | undefined>
}

/** Loaded when it is needed: what every run asks goes without it. */
export async function openSourceGit(
  program: GitProgram,
  place: GitPlace,
  signal: AbortSignal,
): Promise<SourceGit> {
  const { GitPluginError, simpleGit } = await import('simple-git')
  const environment = gitEnvironment(program.searchPath, place)
  const client = simpleGit({
    baseDir: '/',
    abort: signal,
    timeout: { block: program.timeoutMs },
    allowEnvironment: Object.keys(environment),
    unsafe: {
      allowUnsafeAskPass: true,
      allowUnsafeConfigEnvCount: true,
      allowUnsafeConfigPaths: true,
      allowUnsafeCredentialHelper: true,
      allowUnsafeEditor: true,
      allowUnsafeFsMonitor: true,
      allowUnsafeHooksPath: true,
      allowUnsafePager: true,
      allowUnsafeProtocolOverride: true,
      allowUnsafeSshCommand: true,
    },
  }).env(environment)
  return {
    async ask(args) {
      try {
        return (await client.raw([...args])).trim()
      } catch (error) {
        throwIfCancelled(signal, 'read the repository')
        if (error instanceof Error && error.message.includes('ENOENT')) throw noGit(error)
        // A guard or the time limit, not an answer of git.
        if (error instanceof GitPluginError) throw notAnswered(error)
        return undefined
      }
    },
  }
}

/** Throws `workspace_failed` when the host has no git, or one older than 2.39. */
export async function checkGitVersion(program: GitProgram, signal: AbortSignal): Promise<string> {
  const answer = await gitTry({ program, signal }, barePlace(NOWHERE), ['--version'])
  const version = /(\d+)\.(\d+)(?:\.\d+)*/.exec(answer.stdout.toString('latin1'))
  if (version === null) throw noGit(undefined)
  const [found, major, minor] = [version[0], Number(version[1]), Number(version[2])]
  const [majorMin, minorMin] = GIT_VERSION_MIN
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return found
  throw new OpenExecError('workspace_failed', `Cannot use git ${found}: expected 2.39 or newer`, {
    hint: 'Install a newer git on the host',
  })
}

function notAnswered(cause: Error): OpenExecError {
  return new OpenExecError('workspace_failed', `Cannot read the repository: ${cause.message}`, {
    cause,
  })
}

function noGit(cause: unknown): OpenExecError {
  return new OpenExecError('workspace_failed', 'Cannot run git: it is not installed', {
    hint: 'Install git 2.39 or newer and make sure it is on the PATH',
    cause,
  })
}
