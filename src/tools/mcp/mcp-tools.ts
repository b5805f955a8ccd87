/**
 * Tools of pinned servers, as an agent stage has them. What the model is told comes from the lock;
 * the server is started with the first call, must list exactly what is pinned, and is looked at again
 * whenever it says that its list changed. One that fails is not used again in the stage.
 */
import { z } from 'zod'
import { JsonObject, type McpPins, type PinnedServer } from '../../schema/index.ts'
import { DEFAULT_TOOL_LIMITS, type Tool } from '../tool.ts'
import { type ConnectedServer, connectServer, type StartServer } from './connect-server.ts'
import { pinsDifference } from './pins.ts'

/** `ms`: starting, looking, calling. */
const TIMEOUT_MS = 85_000
const DIFFERENCE_LINES_MAX = 20

export function mcpToolName(server: string, tool: string): string {
  return `mcp__${server}__${tool}`
}

export interface McpTools {
  tools: Tool[]
  /** Ends every server that was started. */
  close(): Promise<void>
}

export function createMcpTools(
  servers: readonly PinnedServer[],
  start: (server: PinnedServer, signal: AbortSignal) => StartServer,
): McpTools {
  const closing = new AbortController()
  const open: Promise<ConnectedServer>[] = []
  const tools = servers.flatMap((server) => {
    const use = serverOf(server, async () => {
      const { signal } = closing
      const opening = connectServer(server.name, start(server, signal), { signal })
      open.push(opening)
      return await opening
    })
    const wanted = server.server.tools
    return server.pins
      .filter(({ name }) => wanted === undefined || wanted.includes(name))
      .map((pin) => toolOf(server.name, pin, use))
  })
  return {
    tools,
    async close() {
      closing.abort()
      const opened = await Promise.allSettled(open)
      for (const each of opened) if (each.status === 'fulfilled') await each.value.close()
    },
  }
}

type Use = (
  name: string,
  args: object,
  signal: AbortSignal,
) => Promise<{ ok: boolean; text: string }>

/** Calls of one server go one after the other; a failure of the server is its last. */
function serverOf({ name, pins }: PinnedServer, connect: () => Promise<ConnectedServer>): Use {
  let server: Promise<ConnectedServer> | undefined
  let looked = false
  let refused: string | undefined
  const refuse = async (text: string) => {
    refused = text
    await server?.then((each) => each.close()).catch(() => {})
    return { ok: false, text }
  }
  const look = async (signal: AbortSignal): Promise<string | undefined> => {
    const connected = await (server ??= connect())
    if (looked && !connected.saysChanged()) return undefined
    const lines = pinsDifference(pins, await connected.list(signal))
    looked = true
    return lines.length === 0 ? undefined : changedText(name, lines)
  }
  return async (tool, args, signal) => {
    if (refused !== undefined) return { ok: false, text: refused }
    try {
      const changed = await look(signal)
      if (changed !== undefined) return await refuse(changed)
      const answer = await (await (server ??= connect())).call(tool, args, signal)
      // What it says after a change is not what was looked at.
      const after = await look(signal)
      return after === undefined ? answer : await refuse(after)
    } catch (error) {
      const why = error instanceof Error ? error.message : 'it failed'
      if (signal.aborted) throw error
      return await refuse(`${why}. It is not used again in this stage.`)
    }
  }
}

function changedText(name: string, lines: readonly string[]): string {
  const more = lines.length - DIFFERENCE_LINES_MAX
  return [
    `The tools of MCP server "${name}" are not those of openexec.lock; it is not used in this stage:`,
    ...lines.slice(0, DIFFERENCE_LINES_MAX),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('\n')
}

function toolOf(server: string, pin: McpPins[number], use: Use): Tool {
  const name = mcpToolName(server, pin.name)
  const input = z.record(z.string(), z.json())
  return {
    name,
    description: `[MCP server ${server}] ${pin.description}`,
    // The schema is the server's to check; ours says only that there are arguments.
    input,
    parameters: JsonObject.parse({ ...pin.inputSchema, type: 'object' }),
    capability: 'mcp_call',
    effect: 'write',
    limits: { ...DEFAULT_TOOL_LIMITS, timeoutMs: TIMEOUT_MS },
    example: {},
    accesses: () => [
      { capability: 'mcp_call', resource: { kind: 'name', name: `${server}/${pin.name}` } },
    ],
    execute: ({ signal }, request) => use(pin.name, input.parse(request), signal),
  }
}
