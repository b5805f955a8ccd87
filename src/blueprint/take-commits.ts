/**
 * Takes over the commits that a stage made on the branch of its run, where its mode lets it make any.
 * They are kept beside the checkpoints; the tree of the stage is what its files are, whatever it
 * committed. Objects that are unsound are left where they are, and that is said.
 */
import { checkChangedPaths, evaluate } from '../policy/index.ts'
import { type NewEvent, OpenExecError } from '../schema/index.ts'
import type { StageAttempt } from './engine.ts'
import type { EnvironmentDeps, Opened } from './environment.ts'
import { plainText } from './plain-text.ts'
import { modeOf } from './stage-scope.ts'

export async function takeCommits(
  { state }: Pick<EnvironmentDeps, 'state'>,
  opened: Opened,
  { attempt, signal }: { attempt: StageAttempt; signal: AbortSignal },
): Promise<void> {
  if (!mayCommit(opened, attempt)) return
  const told = await collect(opened, { attempt, signal })
  if (told === undefined) return
  const place = { stage: attempt.stage.id, attempt: attempt.attempt }
  state.transact((tx) => opened.append(tx, [{ type: 'notice', ...place, ...told }]))
}

function mayCommit({ frozen }: Opened, attempt: StageAttempt): boolean {
  const mode = modeOf(frozen.policy, attempt)
  const resource = { kind: 'none' } as const
  const asked = { capability: 'git_commit', resource, mode, stage: attempt.stage.id } as const
  return evaluate(frozen.policy, { ...asked, subject: 'stage' }).decision === 'allow'
}

async function collect(
  opened: Opened,
  { attempt, signal }: { attempt: StageAttempt; signal: AbortSignal },
): Promise<Pick<NewEvent, 'payload' | 'volatile'> | undefined> {
  const { workspace, run, commits } = opened
  const kind = 'commits'
  try {
    const made = await workspace.collectCommits(signal)
    if (made === undefined || made.commit === commits.last) return undefined
    const { commit, tree, count, descends, paths } = made
    commits.last = commit
    const forbidden = forbiddenIn(opened, attempt, paths)
    if (forbidden !== undefined) {
      const message = `Commits made in the sandbox are left out: one of them changes ${forbidden}`
      return { payload: { kind, message: plainText(message) } }
    }
    const what = count === 1 ? '1 commit was' : `${count} commits were`
    const off = descends ? '' : ', on another history than that of the base'
    const message = `${what} made in the sandbox; the last is ${commit.slice(0, 12)}${off}`
    return {
      payload: { kind, message, commit, tree, count, descends },
      volatile: { ref: `refs/openexec/runs/${run.id}/head` },
    }
  } catch (error) {
    if (!(error instanceof OpenExecError) || error.code !== 'workspace_failed') throw error
    const message = plainText(`Commits made in the sandbox are left out: ${error.message}`)
    return { payload: { kind, message } }
  }
}

/** The tree is judged by its files; a commit in between may hold what a later one took back. */
function forbiddenIn(
  { frozen }: Opened,
  attempt: StageAttempt,
  paths: readonly Uint8Array[],
): string | undefined {
  const { stage } = attempt
  const [found] = checkChangedPaths(frozen.policy, paths, {
    mode: modeOf(frozen.policy, attempt),
    stage: stage.id,
    subject: stage.type === 'agent' ? 'agent' : stage.action,
  })
  return found === undefined ? undefined : `${found.path} (${found.reason})`
}
