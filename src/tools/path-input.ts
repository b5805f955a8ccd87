import { z } from 'zod'
import { parseRepoPath } from './repo-path.ts'

/** A path argument; becomes canonical, or says what is wrong with it. */
export const PathInput = z
  .string()
  .max(4096)
  .describe('Path relative to the repository, such as "src/index.ts"')
  .transform((text, context) => {
    const result = parseRepoPath(text)
    if (result.ok) return result.path
    context.addIssue({
      code: 'custom',
      message: `The path ${JSON.stringify(text)} ${result.reason}`,
    })
    return z.NEVER
  })
