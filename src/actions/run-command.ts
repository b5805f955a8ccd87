import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import { type ActionContext, defineAction, saveJson } from './action.ts'
import { judge, reportOf, runChosen } from './command-report.ts'

const ARGV_BYTES_MAX = 131_072

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
  const argv = [...(fromBlueprint ?? context.command ?? [])]
  if (argv.length === 0)
    throw new OpenExecError('bad_request', 'Cannot run a command: none is given', {
      hint: 'Write it after two dashes: openexec run -- npm test',
    })
  if (argv.some((word) => word.includes('\0')))
    throw new OpenExecError(
      'bad_request',
      'Cannot run a command: an argument holds a NUL character',
    )
  if (Buffer.byteLength(argv.join(' ')) > ARGV_BYTES_MAX)
    throw new OpenExecError(
      'bad_request',
      `Cannot run a command: its arguments are longer than ${ARGV_BYTES_MAX} bytes`,
    )
  return argv
}
