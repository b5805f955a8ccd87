/** The protocol over stdin and stdout, which belong to it alone: everything else goes to stderr. */
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { createMcpServer } from './server.ts'
import type { McpDeps } from './mcp-tool.ts'

/** Bytes of one message. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024

/** Serves until the client closes its end, or the signal of `deps` aborts. */
export async function serveStdio(deps: McpDeps, onBug: (error: unknown) => void): Promise<void> {
  const { stdin, stdout } = process
  const transport = new StdioServerTransport(stdin, stdout, { maxBufferSize: MESSAGE_BYTES_MAX })
  const server = createMcpServer(deps, onBug)
  const closed = new Promise<void>((resolve) => {
    server.onclose = resolve
    // The transport does not look at the end of its input.
    stdin.once('end', resolve)
    stdin.once('close', resolve)
    if (deps.signal.aborted) resolve()
    deps.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await server.connect(transport)
  await closed
  await server.close()
  // An open pipe would keep the process alive.
  stdin.destroy()
}
