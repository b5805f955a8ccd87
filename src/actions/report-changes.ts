/** generate_diff_report, prepare_review_bundle, commit_changes: what the run made of the tree. */
import { z } from 'zod'
import type { JsonObject } from '../schema/index.ts'
import { type ActionContext, defineAction, saveJson } from './action.ts'

const CHANGES_LISTED_MAX = 1000

export const generateDiffReport = defineAction({
  name: 'generate_diff_report',
  version: 1,
  inputs: ['patch', 'patch_applied', 'lint_report', 'test_report'],
  outputs: ['diff_report'],
  with: z.strictObject({}),
  timeout: 'medium',
  idempotent: true,
  goesOn: false,
  canFail: false,
  canSkip: false,
  needs: () => [readNeed('generate_diff_report')],
  async execute(context) {
    const { report, sentence } = await changesOf(context)
    const saved = await saveJson(context, {
      name: 'diff_report',
      type: 'diff_report',
      value: report,
    })
    return { status: 'succeeded', reason: undefined, summary: sentence, artifacts: [saved] }
  },
})

export const prepareReviewBundle = defineAction({
  name: 'prepare_review_bundle',
  version: 1,
  inputs: ['patch', 'diff_report', 'lint_report', 'test_report', 'patch_applied'],
  outputs: ['review_bundle'],
  with: z.strictObject({}),
  timeout: 'medium',
  idempotent: true,
  goesOn: false,
  canFail: false,
  canSkip: false,
  needs: () => [readNeed('prepare_review_bundle')],
  async execute(context) {
    const tree = await context.tree.snapshot()
    const patch = await context.saveArtifact({
      name: 'changes.patch',
      type: 'patch',
      mediaType: 'text/x-patch',
      content: await context.tree.patch(tree),
    })
    const { report, sentence } = await changesOf(context)
    const saved = await saveJson(context, {
      name: 'review_bundle',
      type: 'review_bundle',
      value: {
        task: context.task,
        base_commit: context.tree.baseCommit,
        tree,
        patch: { sha256: patch.sha256, size: patch.size },
        changes: report,
        stages: stagesOf(context),
        evidence: context
          .listArtifacts()
          .filter(({ type }) => type === 'lint_report' || type === 'test_report')
          .map(({ name, sha256 }) => ({ name, sha256 })),
      },
    })
    return {
      status: 'succeeded',
      reason: undefined,
      summary: sentence,
      artifacts: [{ name: patch.name, artifact_id: patch.id }, saved],
    }
  },
})

export const commitChanges = defineAction({
  name: 'commit_changes',
  version: 1,
  inputs: ['patch', 'patch_applied', 'diff_report'],
  outputs: ['commit'],
  with: z.strictObject({ message: z.string().min(1).max(10_000).optional() }),
  timeout: 'medium',
  idempotent: true,
  goesOn: false,
  canFail: true,
  canSkip: false,
  needs: () => [
    { capability: 'git_commit', resource: { kind: 'none' }, subject: 'commit_changes' },
  ],
  async execute(context, request) {
    const tree = await context.tree.snapshot()
    if (tree === context.tree.baseTree)
      return {
        status: 'failed',
        reason: 'nothing_to_do',
        summary: 'Nothing to commit: the tree is the base tree',
        artifacts: [],
      }
    const message = request.message ?? (context.task === '' ? 'Changes of a run' : context.task)
    const commit = await context.tree.commit(tree, message)
    const saved = await saveJson(context, {
      name: 'commit',
      type: 'commit',
      value: { commit, tree, parent: context.tree.baseCommit, message },
    })
    return {
      status: 'succeeded',
      reason: undefined,
      summary: `Commit ${commit.slice(0, 12)}`,
      artifacts: [saved],
    }
  },
})

export const summarizeRun = defineAction({
  name: 'summarize_run',
  version: 1,
  inputs: ['lint_report', 'test_report', 'command_report', 'diff_report', 'review_bundle', 'patch'],
  outputs: ['summary'],
  with: z.strictObject({}),
  timeout: 'fast',
  idempotent: true,
  goesOn: false,
  canFail: false,
  canSkip: false,
  needs: () => [readNeed('summarize_run')],
  async execute(context) {
    const { report, sentence } = await changesOf(context)
    const stages = stagesOf(context)
    const saved = await saveJson(context, {
      name: 'summary',
      type: 'summary',
      value: { task: context.task, stages, changes: report },
    })
    const verdicts = context.history().map(({ stage, verdict }) => `${stage} ${verdict}`)
    return {
      status: 'succeeded',
      reason: undefined,
      summary: [verdicts.join(', '), sentence].filter(Boolean).join('; '),
      artifacts: [saved],
    }
  },
})

function readNeed(subject: string) {
  return { capability: 'repo_read', resource: { kind: 'none' }, subject } as const
}

function stagesOf(context: ActionContext): JsonObject[] {
  return context.history().map(({ stage, attempt, verdict, reason, detail }) => ({
    stage,
    attempt,
    verdict,
    reason: reason ?? null,
    detail: detail ?? null,
  }))
}

async function changesOf(
  context: ActionContext,
): Promise<{ report: JsonObject; sentence: string }> {
  const tree = await context.tree.snapshot()
  const [changes, stat] = await Promise.all([context.tree.changes(tree), context.tree.stat(tree)])
  const report = {
    base_tree: context.tree.baseTree,
    tree,
    ...stat,
    changes: changes.slice(0, CHANGES_LISTED_MAX).map(({ path, status }) => ({ path, status })),
    listed: Math.min(changes.length, CHANGES_LISTED_MAX),
  }
  const sentence =
    stat.files === 0
      ? 'no file changed'
      : `${stat.files} file${stat.files === 1 ? '' : 's'} changed, +${stat.insertions} −${stat.deletions}`
  return { report, sentence }
}
