import { z } from 'zod'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess } from './tool.ts'

const COMMITS_DEFAULT = 10
const COMMITS_MAX = 50

export const gitLogTool = defineTool({
  name: 'git_log',
  description: `Shows the last commits of the base, ${COMMITS_DEFAULT} unless limit says otherwise.`,
  input: z.strictObject({ limit: z.number().int().min(1).max(COMMITS_MAX).optional() }),
  capability: 'repo_read',
  effect: 'read',
  limits: DEFAULT_TOOL_LIMITS,
  example: { limit: 5 },
  accesses: () => [readAccess('.')],
  async execute({ log }, { limit = COMMITS_DEFAULT }) {
    const text = await log(limit)
    return { ok: true, text: text === '' ? 'There is no history' : text }
  },
})
