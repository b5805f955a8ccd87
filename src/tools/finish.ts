import { z } from 'zod'
import { DEFAULT_TOOL_LIMITS, defineTool } from './tool.ts'

export const finishTool = defineTool({
  name: 'finish',
  description:
    'Ends the stage, and nothing else does. "done" when the goal is reached, "failed" when it cannot be, "blocked" when something you may not do stands in the way.',
  input: z.strictObject({
    status: z.enum(['done', 'failed', 'blocked']),
    summary: z.string().min(1).max(4000).describe('What was done, for a person'),
  }),
  capability: 'repo_read',
  effect: 'write',
  limits: DEFAULT_TOOL_LIMITS,
  example: { status: 'done', summary: 'sum() starts at 0; all tests pass' },
  accesses: () => [],
  execute: async (_context, finish) => ({ ok: true, text: 'The stage ends', finish }),
})
