/** What the user should know of a run before it begins. */
import type { ModelChoice, RunRequest } from '../schema/index.ts'
import type { Source } from '../workspace/index.ts'
import type { Plan } from './plan.ts'

export function modelNotices(model: ModelChoice | undefined, { limits }: Plan): string[] {
  if (model === undefined) return []
  const { provider, model: name, chosenBy, local } = model
  const cost = local ? 'it costs nothing' : `it may cost up to ${limits.max_cost_usd} USD`
  return [`Model ${provider}/${name}, chosen by ${chosenBy}; ${cost}`]
}

export function sourceNotices(
  { includeDirty }: RunRequest,
  { dirty, submodules, shallow }: Source,
): string[] {
  const count = dirty.tracked + dirty.untracked
  const notices: string[] = []
  if (count > 0 && !includeDirty)
    notices.push(
      `${count} uncommitted ${count === 1 ? 'change is' : 'changes are'} not part of this run: it starts from the commit (use --include-dirty to take them in)`,
    )
  if (submodules.length > 0)
    notices.push(
      `Submodules are empty directories in the sandbox: ${submodules.slice(0, 10).join(', ')}`,
    )
  if (shallow)
    notices.push('The repository is shallow: history in the sandbox ends where yours does')
  return notices
}
