/** From edits to changed files and an answer: what the three changing tools share. */
import { applyEdits, readWorkspaceFile } from './patch/apply-edits.ts'
import { describeRejection, type Edit } from './patch/edit.ts'
import { type EditPlan, planEdits } from './patch/plan-edits.ts'
import type { ToolContext, ToolOutput } from './tool.ts'

export async function editFiles(
  { sandbox }: ToolContext,
  edits: readonly Edit[],
): Promise<ToolOutput> {
  const plan = await planEdits(edits, (path) => readWorkspaceFile(sandbox, path))
  if (!plan.ok)
    return { ok: false, text: `${describeRejection(plan.rejection)}\nNo file was changed.` }
  await applyEdits(plan.value, sandbox)
  return { ok: true, text: describePlan(plan.value) }
}

function describePlan({ writes, deletes, matches }: EditPlan): string {
  if (writes.length === 0 && deletes.length === 0)
    return 'Nothing to do: the files already read as the edit wants them'
  const lines = [
    ...writes.map(({ path, before }) => `${before === undefined ? 'Added' : 'Changed'} ${path}`),
    ...deletes.map(({ path }) => `Deleted ${path}`),
  ]
  const forgiven = matches.filter(({ tier }) => tier !== 'exact')
  return [
    ...lines,
    ...forgiven.map(({ path, hunk, line, tier }) => `${path}, hunk ${hunk}, line ${line}: ${tier}`),
  ].join('\n')
}
