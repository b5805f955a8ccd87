import { z } from 'zod'
import { Argv, OpenExecError } from '../schema/index.ts'
import { type ActionContext, defineAction, saveJson } from './action.ts'
import { judge, reportOf, runChosen } from './command-report.ts'

/** Any argv, inside the sandbox only. */
export const runCommand = defineAction({
  name: 'run_command',
  version: 1,
  inputs: [],
  outputs: ['command_report'],
  with: z.strictObject({ argv: z.array(z.string()).min(1).max(4096).optional() }),
  timeout: 'long',
  idempotent: false,
  goesOn: true,
  canFail: true,
  canSkip: false,
  needs: (context, request) => [
    {
      capability: 'shell_exec',
      resource: { kind: 'argv', argv: argvOf(context, request.argv) },
      subject: 'run_command',
    },
  ],
  async execute(context, request) {
    const argv = argvOf(context, request.argv)
    const chosen = { argv, because: 'asked for by the caller', timeoutMs: undefined }
    const outcome = await runChosen(context, chosen, 'command')
    const verdict = judge(chosen, outcome, 'exit_nonzero')
    const report = reportOf(chosen, outcome, verdict)
    const saved = await saveJson(context, {
      name: 'command_report',
      type: 'command_report',
      value: report,
    })
    return {
      status: verdict.status,
      reason: verdict.reason,
      summary: verdict.sentence,
      artifacts: [saved],
    }
  },
})

function argvOf(context: ActionContext, fromBlueprint: readonly string[] | undefined): string[] {
  const wanted = fromBlueprint ?? context.command ?? []
  if (wanted.length === 0)
    throw new OpenExecError('bad_request', 'Cannot run a command: none is given', {
      hint: 'Write it after two dashes: openexec run -- npm test',
    })
  const argv = Argv.safeParse(context.commandFor(wanted))
  if (argv.success) return argv.data
  throw new OpenExecError(
    'bad_request',
    `Cannot run a command: ${argv.error.issues[0]?.message ?? 'it is refused'}`,
  )
}
