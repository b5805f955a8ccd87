/** Servers of a repository as a run has them: declared, pinned, frozen; the rest is left out, and told. */
import type { ProjectPlan } from '../actions/index.ts'
import { evaluate, type Policy } from '../policy/index.ts'
import type { PinnedServer, SandboxMode } from '../schema/index.ts'
import { LOCK_FILE, mcpToolName, readLock } from '../tools/index.ts'

export interface FoundServers {
  servers: PinnedServer[]
  notices: string[]
}

/** In the order of their names. Throws `config_invalid` for a lock that cannot be read. */
export async function findServers(
  { mcp }: ProjectPlan,
  read: (path: string) => Promise<string | undefined>,
): Promise<FoundServers> {
  const declared = Object.entries(mcp).sort(([a], [b]) => (a < b ? -1 : 1))
  if (declared.length === 0) return { servers: [], notices: [] }
  const text = await read(LOCK_FILE)
  const locked = text === undefined ? {} : readLock(text).mcp
  const servers = declared.flatMap(([name, server]) => {
    const pins = locked[name]?.tools
    return pins === undefined ? [] : [{ name, server, pins }]
  })
  const left = declared.flatMap(([name]) => (Object.hasOwn(locked, name) ? [] : [name]))
  const notice = `MCP servers left out, as ${LOCK_FILE} does not pin them (\`openexec mcp lock\`): ${left.join(', ')}`
  return { servers, notices: left.length > 0 ? [notice] : [] }
}

/** Without the tools that policy blocks for the stage whatever they are called with. */
export function allowedServers(
  servers: readonly PinnedServer[],
  { policy, mode, stage }: { policy: Policy; mode: SandboxMode; stage: string },
): PinnedServer[] {
  const isAllowed = (server: string, tool: string) => {
    const resource = { kind: 'name', name: `${server}/${tool}` } as const
    const subject = mcpToolName(server, tool)
    const request = { capability: 'mcp_call', resource, mode, stage, subject } as const
    return evaluate(policy, request).decision !== 'block'
  }
  return servers.flatMap((each) => {
    const names = each.pins.map(({ name }) => name).filter((name) => isAllowed(each.name, name))
    const { tools: wanted = names } = each.server
    const tools = names.filter((name) => wanted.includes(name))
    return tools.length === 0 ? [] : [{ ...each, server: { ...each.server, tools } }]
  })
}
