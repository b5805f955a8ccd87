/** Servers of the Model Context Protocol: as a repository declares them, and as a lock pins them. */
import { z } from 'zod'
import { JsonObject } from './json.ts'

const SERVERS_MAX = 8
const TOOLS_MAX = 128
/** Characters of one schema as JSON. */
const SCHEMA_CHARS_MAX = 32_768

const McpServerName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,19}$/, 'Expected a name of a-z, 0-9 and -, at most 20 characters')

export const McpServer = z.strictObject({
  /** argv inside the sandbox; it speaks over stdin and stdout. */
  command: z.array(z.string().min(1)).min(1).max(64),
  /** What it may do to files; never more than the stage that uses it. */
  sandbox: z.enum(['read_only', 'workspace_write']).optional(),
  /** Hosts it may reach; never more than the policy allows. None when left out. */
  network: z.array(z.string()).max(64).optional(),
  /** Which of its tools agents get; all that are pinned when left out. */
  tools: z.array(z.string()).min(1).max(TOOLS_MAX).optional(),
})
export type McpServer = z.infer<typeof McpServer>

export const McpServers = z
  .record(McpServerName, McpServer)
  .refine((servers) => Object.keys(servers).length <= SERVERS_MAX, `At most ${SERVERS_MAX} servers`)

/** What a change of makes another tool of it. */
const McpToolPin = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, 'Expected a name of letters, digits, _ and -'),
  description: z.string().max(4000),
  inputSchema: JsonObject.refine(
    (schema) => JSON.stringify(schema).length <= SCHEMA_CHARS_MAX,
    `Expected a schema of at most ${SCHEMA_CHARS_MAX} characters`,
  ),
  annotations: JsonObject.optional(),
})

/** All tools of a server, sorted by name. */
export const McpPins = z.array(McpToolPin).max(TOOLS_MAX)
export type McpPins = z.infer<typeof McpPins>

/** `openexec.lock` */
export const McpLock = z.strictObject({
  version: z.literal(1),
  /** By server: its tools and the hash of them all. */
  mcp: z.record(McpServerName, z.strictObject({ hash: z.string(), tools: McpPins })),
})
export type McpLock = z.infer<typeof McpLock>

/** A declared server with its pins, frozen with a run. */
export const PinnedServer = z.strictObject({
  name: McpServerName,
  server: McpServer,
  pins: McpPins,
})
export type PinnedServer = z.infer<typeof PinnedServer>
