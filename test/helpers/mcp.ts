/** `openexec mcp` in a process of its own, spoken to by the protocol's own client. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../bin/openexec.js', import.meta.url))

export interface McpSession {
  client: Client
  /** The one text of an answer, parsed where it is JSON, and whether it is a failure. */
  call(name: string, args: Record<string, unknown>): Promise<{ value: unknown; failed: boolean }>
  close(): Promise<void>
}

export async function openMcp(
  cwd: string,
  options: { args: readonly string[]; env: Readonly<Record<string, string>> },
): Promise<McpSession> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [BIN, 'mcp', ...options.args],
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...options.env },
    stderr: 'ignore',
  })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  return {
    client,
    async call(name, args) {
      const { content, isError } = await client.callTool({ name, arguments: args }, undefined, {
        timeout: 110_000,
      })
      const [first]: unknown[] = Array.isArray(content) ? content : []
      const text = String(Reflect.get(Object(first), 'text'))
      return { value: parsed(text), failed: isError === true }
    },
    close: () => client.close(),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
