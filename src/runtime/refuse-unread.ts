import type { PreparedRun } from '../blueprint/index.ts'
import { OpenExecError, type RunRequest } from '../schema/index.ts'

/** What actions read of the words of the caller. */
const INPUTS_READ: Readonly<Record<string, readonly string[]>> = { apply_patch: ['patch'] }
const COMMAND_READ_BY = 'run_command'

/**
 * Refuses what no stage would read, and a command that is missing: a run that leaves out silently
 * what its caller asked for looks like one that did it. Throws `bad_request`.
 */
export function refuseUnread(request: RunRequest, plan: PreparedRun['plan']): void {
  const { blueprint, command, inputs } = request
  const readsCommand = plan.stages.some(
    (stage) =>
      stage.type === 'deterministic' &&
      stage.action === COMMAND_READ_BY &&
      stage.with['argv'] === undefined,
  )
  if (readsCommand && command === undefined)
    throw new OpenExecError(
      'bad_request',
      `Cannot run blueprint "${blueprint}": no command is given`,
      {
        hint: `Write it after two dashes, for example: openexec run ${blueprint} -- npm test`,
      },
    )
  if (command !== undefined && !readsCommand)
    throw new OpenExecError(
      'bad_request',
      `Cannot run blueprint "${blueprint}" with a command: none of its stages reads one`,
      {
        hint: 'Leave out -- and what follows, or leave out the blueprint to run the command alone',
      },
    )
  const read = plan.stages.flatMap((stage) =>
    stage.type === 'deterministic' ? (INPUTS_READ[stage.action] ?? []) : [],
  )
  const unread = Object.keys(inputs).filter((name) => !read.includes(name))
  if (unread.length === 0) return
  const known = read.length === 0 ? 'it reads none' : `it reads ${[...new Set(read)].join(', ')}`
  throw new OpenExecError(
    'bad_request',
    `Cannot use input "${unread.join('", "')}": no stage of blueprint "${blueprint}" reads it (${known})`,
    { hint: 'See the blueprint with `openexec blueprint check FILE`' },
  )
}
