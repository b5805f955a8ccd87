/**
 * The protocol over a transport: lists the tools, parses what a client sends, answers. Failures of a
 * tool are answers too, with the code, message and hint that the command line would show; what is a
 * bug is told to the operator, not to the client.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { OpenExecError, toErrorBody } from '../../schema/index.ts'
import type { McpDeps, McpTool } from './mcp-tool.ts'
import { READ_TOOLS } from './read-tools.ts'
import { runBlueprintTool, runCommandTool } from './run-tools.ts'

const TOOLS: readonly McpTool[] = [runCommandTool, runBlueprintTool, ...READ_TOOLS]

/** Characters of one answer. */
const ANSWER_CHARS_MAX = 400_000

const INSTRUCTIONS =
  'Runs commands and blueprints on one repository, each in a container of its own without network. Runs never change the checkout: an operator takes changes over with `openexec apply`. A run that needs an approval stops; only an operator can give it.'

export function createMcpServer(deps: McpDeps, onBug: (error: unknown) => void): Server {
  const server = new Server(
    { name: 'openexec', version: '1' },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  )
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: TOOLS.map(listed) }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    try {
      const tool = TOOLS.find(({ name }) => name === params.name)
      if (tool === undefined) throw unknownTool(params.name)
      const value = await tool.call(deps, inputOf(tool, params.arguments), signal)
      return { content: [{ type: 'text' as const, text: textOf(value) }] }
    } catch (error) {
      if (!(error instanceof OpenExecError)) onBug(error)
      const { code, message, hint } = toErrorBody(error)
      const text = JSON.stringify({ code, message, ...(hint !== undefined && { hint }) })
      return { content: [{ type: 'text' as const, text }], isError: true }
    }
  })
  return server
}

function listed({ name, description, input, readOnly }: McpTool) {
  const schema = z.toJSONSchema(input, { io: 'input' })
  return {
    name,
    description,
    inputSchema: { ...schema, type: 'object' as const },
    annotations: { readOnlyHint: readOnly, destructiveHint: false, openWorldHint: false },
  }
}

function inputOf({ name, input }: McpTool, given: unknown): unknown {
  const parsed = input.safeParse(given ?? {})
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot call ${name}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`,
    { hint: 'See the input schema of the tool' },
  )
}

function unknownTool(name: string): OpenExecError {
  const known = TOOLS.map((tool) => tool.name).join(', ')
  return new OpenExecError(
    'not_found',
    `Cannot find tool "${name.slice(0, 100)}" (known: ${known})`,
  )
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= ANSWER_CHARS_MAX ? text : `${text.slice(0, ANSWER_CHARS_MAX)} … (cut)`
}
