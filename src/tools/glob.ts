import { z } from 'zod'
import { globMatcher } from './glob-pattern.ts'
import { listFiles } from './list-files.ts'
import { PathInput } from './path-input.ts'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess } from './tool.ts'

const PATHS_MAX = 1000

export const globTool = defineTool({
  name: 'glob',
  description:
    'Finds files by pattern: "src/**/*.ts", "**/test_*.py", "*.{json,yaml}". Ignored files are left out.',
  input: z.strictObject({ pattern: z.string().min(1).max(256), path: PathInput.optional() }),
  capability: 'repo_read',
  effect: 'read',
  limits: DEFAULT_TOOL_LIMITS,
  example: { pattern: 'src/**/*.test.ts' },
  accesses: ({ path = '.' }) => [readAccess(path)],
  async execute(context, { pattern, path = '.' }) {
    const matches = globMatcher(pattern)
    if (typeof matches !== 'function')
      return { ok: false, text: `The pattern "${pattern}" ${matches.problem}` }
    const { paths, complete } = await listFiles(context)
    const prefix = path === '.' ? '' : `${path}/`
    const found = paths.filter(
      (file) => file.startsWith(prefix) && matches(file.slice(prefix.length)),
    )
    const lines = found.slice(0, PATHS_MAX).map((file) => JSON.stringify(file).slice(1, -1))
    if (found.length > PATHS_MAX) lines.push(`[${found.length - PATHS_MAX} files more]`)
    if (!complete) lines.push('[The list of files is not complete]')
    return { ok: true, text: lines.length === 0 ? 'No file matches' : lines.join('\n') }
  },
})
