import { z } from 'zod'
import { DEFAULT_TOOL_LIMITS, defineTool } from './tool.ts'

/** `ms`; actions have their own, shorter limits. */
const TIMEOUT_MS = 3_600_000

export const runActionTool = defineTool({
  name: 'run_action',
  description:
    'Runs a named action of the project, such as run_tests or run_linters, and shows its outcome.',
  input: z.strictObject({ name: z.string().min(1).max(100) }),
  capability: 'process_exec',
  effect: 'write',
  limits: { ...DEFAULT_TOOL_LIMITS, timeoutMs: TIMEOUT_MS },
  example: { name: 'run_tests' },
  accesses: ({ name }) => [{ capability: 'process_exec', resource: { kind: 'name', name } }],
  async execute({ runAction, toolset }, { name }) {
    if (toolset.actions.includes(name)) return await runAction(name)
    const known = toolset.actions.join(', ') || 'none'
    return { ok: false, text: `There is no action "${name}" for this stage. Actions: ${known}` }
  },
})
