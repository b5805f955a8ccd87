/** run_setup, run_linters, run_tests: the commands of the repository, never a silent pass. */
import { z } from 'zod'
import type { ArtifactType, JsonObject, Reason } from '../schema/index.ts'
import {
  type Action,
  type ActionContext,
  type ActionResult,
  type CommandOutcome,
  defineAction,
  saveJson,
} from './action.ts'
import { judge, reportOf, runChosen } from './command-report.ts'
import { removeReports } from './find-reports.ts'
import { CONFIG_FILE } from './project-plan.ts'
import { collectTests } from './test-report.ts'

export const runSetup = projectCommand({
  name: 'run_setup',
  kind: 'setup',
  output: 'setup_report',
  type: 'report',
  failure: 'exit_nonzero',
  before: async () => {},
  extra: async () => undefined,
})

export const runLinters = projectCommand({
  name: 'run_linters',
  kind: 'lint',
  output: 'lint_report',
  type: 'lint_report',
  failure: 'lint_failed',
  before: async () => {},
  extra: async () => undefined,
})

export const runTests = projectCommand({
  name: 'run_tests',
  kind: 'test',
  output: 'test_report',
  type: 'test_report',
  failure: 'tests_failed',
  before: removeReports,
  extra: collectTests,
})

/** Names of the actions that run what the repository says. */
export const PROJECT_ACTIONS: readonly string[] = [runSetup, runLinters, runTests].map(
  ({ name }) => name,
)

interface ProjectCommandOptions {
  name: string
  kind: 'setup' | 'lint' | 'test'
  output: string
  type: ArtifactType
  failure: Reason
  before(context: ActionContext): Promise<void>
  /** What the report says beyond the command itself. */
  extra(
    context: ActionContext,
    outcome: CommandOutcome,
  ): Promise<{ report: JsonObject; sentence: string } | undefined>
}

function projectCommand(options: ProjectCommandOptions): Action {
  return defineAction({
    name: options.name,
    version: 1,
    inputs: ['patch', 'patch_applied', 'context_pack', 'setup_report'],
    outputs: [options.output],
    with: z.strictObject({}),
    timeout: 'long',
    idempotent: false,
    goesOn: true,
    canFail: true,
    canSkip: true,
    needs: ({ project }) => {
      const chosen = project[options.kind]
      if (chosen === undefined) return []
      const resource = { kind: 'argv', argv: [...chosen.argv] } as const
      return [{ capability: 'process_exec', resource, subject: options.name }]
    },
    execute: (context) => execute(context, options),
  })
}

async function execute(
  context: ActionContext,
  options: ProjectCommandOptions,
): Promise<ActionResult> {
  const chosen = context.project[options.kind]
  const save = (value: JsonObject) =>
    saveJson(context, { name: options.output, type: options.type, value })
  if (chosen === undefined) {
    const saved = await save({ status: 'skipped', reason: 'not_configured' })
    return {
      status: 'skipped',
      reason: 'not_configured',
      summary: `No ${options.kind} command is configured: set commands.${options.kind} in ${CONFIG_FILE}`,
      artifacts: [saved],
    }
  }
  if (!context.goesOn) await options.before(context)
  const outcome = await runChosen(context, chosen, options.kind)
  const verdict = judge(chosen, outcome, options.failure)
  const extra = outcome.startable ? await options.extra(context, outcome) : undefined
  const saved = await save({ ...reportOf(chosen, outcome, verdict), ...extra?.report })
  return {
    status: verdict.status,
    reason: verdict.reason,
    summary: extra === undefined ? verdict.sentence : `${verdict.sentence}; ${extra.sentence}`,
    artifacts: [saved],
  }
}
