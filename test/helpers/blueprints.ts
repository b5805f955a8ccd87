/** A registry for tests of the checker, so that the corpus does not change with the real actions. */
import { z } from 'zod'
import type { ActionFacts, BlueprintRegistry } from '../../src/blueprint/index.ts'

const NO_WITH = z.strictObject({})
const CHANGED = ['patch', 'patch_applied', 'context_pack']
const REPORTS = [
  'lint_report',
  'test_report',
  'command_report',
  'diff_report',
  'review_bundle',
  'patch',
]

const check = (output: string): ActionFacts => ({
  inputs: CHANGED,
  outputs: [output],
  canFail: true,
  canSkip: true,
  timeout: 'long',
  withSchema: NO_WITH,
})

const report = (output: string, withSchema: z.ZodType): ActionFacts => ({
  inputs: [...CHANGED, ...REPORTS],
  outputs: [output],
  canFail: false,
  canSkip: false,
  timeout: 'medium',
  withSchema,
})

export const testRegistry: BlueprintRegistry = {
  actions: new Map<string, ActionFacts>([
    ['run_setup', check('setup_report')],
    ['run_linters', check('lint_report')],
    ['run_tests', check('test_report')],
    [
      'run_command',
      {
        inputs: ['*'],
        outputs: ['command_report'],
        canFail: true,
        canSkip: false,
        timeout: 'long',
        withSchema: z.strictObject({ argv: z.array(z.string()).min(1).optional() }),
      },
    ],
    [
      'apply_patch',
      {
        inputs: ['patch'],
        outputs: ['patch_applied'],
        canFail: true,
        canSkip: false,
        timeout: 'fast',
        withSchema: z.strictObject({ file: z.string() }),
      },
    ],
    ['commit_changes', { ...report('commit', NO_WITH), canFail: true }],
    [
      'build_context_pack',
      report(
        'context_pack',
        z.strictObject({ budget_tokens: z.number().int().min(500).optional() }),
      ),
    ],
    ['generate_diff_report', report('diff_report', NO_WITH)],
    [
      'list_mcp_tools',
      { inputs: [], outputs: ['mcp_tools'], canFail: true, canSkip: true, timeout: 'medium' },
    ],
    ['prepare_review_bundle', report('review_bundle', NO_WITH)],
    // The only one without a schema: it takes no `with` at all.
    [
      'summarize_run',
      { inputs: ['*'], outputs: ['summary'], canFail: false, canSkip: false, timeout: 'fast' },
    ],
  ]),
  toolsets: new Set([
    'repo_readonly',
    'coding_backend',
    'coding_frontend',
    'debug_ci',
    'docs_lookup',
    'release_ops',
  ]),
}
