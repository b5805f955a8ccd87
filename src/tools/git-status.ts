import { z } from 'zod'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess } from './tool.ts'

const PATHS_MAX = 1000

export const gitStatusTool = defineTool({
  name: 'git_status',
  description: 'Lists the files that differ from the base of the run.',
  input: z.strictObject({}),
  capability: 'repo_read',
  effect: 'read',
  limits: DEFAULT_TOOL_LIMITS,
  example: {},
  accesses: () => [readAccess('.')],
  async execute({ changes, mayRead }) {
    const changed = (await changes()).filter(({ path }) => mayRead(path))
    const lines = changed.slice(0, PATHS_MAX).map(({ path, status }) => {
      return `${status} ${JSON.stringify(path).slice(1, -1)}`
    })
    if (changed.length > PATHS_MAX) lines.push(`[${changed.length - PATHS_MAX} files more]`)
    return { ok: true, text: lines.length === 0 ? 'Nothing has changed' : lines.join('\n') }
  },
})
