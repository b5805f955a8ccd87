/** Asks every server that `openexec.yaml` declares for its tools, so that a person can pin them. */
import { z } from 'zod'
import {
  hashJson,
  type JsonObject,
  JsonValue,
  type McpLock,
  type McpServer,
  OpenExecError,
} from '../schema/index.ts'
import { connectServer, LOCK_FILE, pinsDifference, readLock } from '../tools/index.ts'
import { type ActionContext, defineAction, saveJson } from './action.ts'
import { serverMode, startServer } from './start-server.ts'

export const listMcpTools = defineAction({
  name: 'list_mcp_tools',
  version: 1,
  inputs: [],
  outputs: ['mcp_tools'],
  with: z.strictObject({}),
  timeout: 'medium',
  idempotent: false,
  canFail: true,
  canSkip: true,
  goesOn: false,
  needs: ({ project }) =>
    Object.values(project.mcp).map(({ command }) => ({
      capability: 'process_exec',
      resource: { kind: 'argv', argv: command },
      subject: 'list_mcp_tools',
    })),
  async execute(context) {
    const servers = Object.entries(context.project.mcp).sort(([a], [b]) => (a < b ? -1 : 1))
    if (servers.length === 0) {
      const summary = 'openexec.yaml declares no MCP server: set mcp.NAME.command'
      return { status: 'skipped', reason: 'not_configured', summary, artifacts: [] }
    }
    const locked = await lockOf(context)
    const mcp: Record<string, JsonObject> = {}
    const changes: string[] = []
    for (const [name, server] of servers) {
      const listed = await listOf(context, name, server)
      if (typeof listed === 'string')
        return { status: 'failed', reason: 'invalid_output', summary: listed, artifacts: [] }
      mcp[name] = { hash: hashJson(listed), tools: JsonValue.parse(listed) }
      const before = locked[name]?.tools ?? []
      changes.push(...pinsDifference(before, listed).map((line) => `${name}: ${line}`))
    }
    for (const name of Object.keys(locked))
      if (!Object.hasOwn(mcp, name)) changes.push(`${name}: - (not declared any more)`)
    const value = { lock: { version: 1, mcp }, changes }
    const saved = await saveJson(context, { name: 'mcp_tools', type: 'report', value })
    const summary = `Listed the tools of ${servers.map(([name]) => name).join(', ')}`
    return { status: 'succeeded', reason: undefined, summary, artifacts: [saved] }
  },
})

/** What the base commit pins; nothing where it has no lock. Throws `config_invalid`. */
async function lockOf({ tree }: ActionContext): Promise<McpLock['mcp']> {
  const file = (await tree.baseFiles()).find(({ path }) => path === LOCK_FILE)
  if (file === undefined) return {}
  const bytes = await tree.readBlob(file.oid, LOCK_BYTES_MAX)
  return readLock(new TextDecoder().decode(bytes)).mcp
}

const LOCK_BYTES_MAX = 262_144

/** Its tools, or why they cannot be had. */
async function listOf(context: ActionContext, name: string, server: McpServer) {
  const { signal, mode } = context
  const closing = new AbortController()
  const until = AbortSignal.any([signal, closing.signal])
  const open = () =>
    context.serverSandbox({ name, mode: serverMode(server, mode), network: server.network ?? [] })
  try {
    const connected = await connectServer(name, startServer(server, open, until), { signal })
    try {
      return await connected.list(signal)
    } finally {
      await connected.close()
    }
  } catch (error) {
    const isTold = error instanceof OpenExecError && TOLD.includes(error.code)
    if (!isTold || signal.aborted) throw error
    return error.code === 'bad_request' ? `MCP server "${name}": ${error.message}` : error.message
  } finally {
    closing.abort()
  }
}

const TOLD: readonly string[] = ['bad_request', 'sandbox_failed', 'command_not_startable']
