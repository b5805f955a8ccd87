/** The commands of the repository, for the plans that may run them. */
import { CONFIG_FILE, type ProjectPlan, PROJECT_ACTIONS, type RunTree } from '../actions/index.ts'
import { type NewEvent, OpenExecError } from '../schema/index.ts'
import { plainText } from './plain-text.ts'
import type { Plan } from './plan.ts'

/** An agent may run them by name. */
export function needsProject({ stages }: Plan): boolean {
  return stages.some(
    (stage) =>
      stage.type === 'agent' ||
      PROJECT_ACTIONS.includes(stage.action) ||
      stage.action === 'list_mcp_tools',
  )
}

const BASE_TEXT_BYTES_MAX = 262_144

/** A file of the base commit as text; `undefined` when absent or no regular file. */
export async function readBaseText(
  tree: Pick<RunTree, 'baseFiles' | 'readBlob'>,
  path: string,
): Promise<string | undefined> {
  const file = (await tree.baseFiles()).find((each) => each.path === path)
  if (file === undefined) return undefined
  if (file.size > BASE_TEXT_BYTES_MAX) return tooLarge(path, file.size)
  return new TextDecoder().decode(await tree.readBlob(file.oid, BASE_TEXT_BYTES_MAX))
}

/** What only helps to detect commands is left aside; what a person configured is not. */
function tooLarge(path: string, size: number): undefined {
  if (path !== CONFIG_FILE) return undefined
  throw new OpenExecError(
    'config_invalid',
    `Cannot read "${CONFIG_FILE}": it has ${size} bytes, at most ${BASE_TEXT_BYTES_MAX} are read`,
    { hint: 'Keep only what OpenExec reads in it' },
  )
}

export function describeProject({ setup, lint, test }: ProjectPlan): NewEvent {
  const show = (kind: string, command: ProjectPlan['test']) =>
    command === undefined
      ? `${kind}: none`
      : `${kind}: ${command.argv.join(' ')} (${command.because})`
  const shown = [show('setup', setup), show('lint', lint), show('test', test)]
  const message = plainText(['Commands of the repository', ...shown].join('; '))
  return { type: 'notice', payload: { message, kind: 'project' } }
}
