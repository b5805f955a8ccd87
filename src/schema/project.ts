import { z } from 'zod'
import { McpServers } from './mcp.ts'
import { Duration } from './units.ts'

const PLAIN_WORDS =
  'Expected plain words such as "npm test"; write argv as a list for anything else'

/** A command as argv, or as text that is split at white space (no shell, no quotes). */
const ProjectCommand = z.union(
  [
    z.array(z.string().min(1)).min(1),
    z
      .string()
      .regex(/^[^'"`$|&;<>(){}*?\\\n]*[^\s'"`$|&;<>(){}*?\\][^'"`$|&;<>(){}*?\\\n]*$/, PLAIN_WORDS)
      .transform((text) => text.trim().split(/\s+/)),
  ],
  { error: PLAIN_WORDS },
)
type ProjectCommand = z.infer<typeof ProjectCommand>

/** `openexec.yaml` in a repository. It is content of that repository, so it can never widen policy. */
export const ProjectConfig = z.strictObject({
  version: z.literal(1).optional(),
  /** Default image of runs on this repository. */
  image: z.string().optional(),
  commands: z
    .strictObject({
      setup: ProjectCommand.optional(),
      lint: ProjectCommand.optional(),
      test: ProjectCommand.optional(),
    })
    .optional(),
  /** Where test reports appear, relative to the repository. */
  reports: z.strictObject({ junit: z.array(z.string()).max(16).optional() }).optional(),
  timeouts: z
    .strictObject({
      setup: Duration.optional(),
      lint: Duration.optional(),
      test: Duration.optional(),
    })
    .optional(),
  /** MCP servers for agent stages, by name; each runs in a sandbox of its own. */
  mcp: McpServers.optional(),
})
export type ProjectConfig = z.infer<typeof ProjectConfig>
