/**
 * Starts a server of the Model Context Protocol in a sandbox of its own: its mode and its network are
 * its own, never wider than the stage's, and nothing of it is left when the stage ends.
 */
import type { InteractiveSandbox } from '../sandbox/index.ts'
import { type McpServer, OpenExecError, type SandboxMode } from '../schema/index.ts'
import type { StartServer } from '../tools/index.ts'

/** `ms`; beyond any stage that uses it, whose end comes first. */
const LIFE_MS = 24 * 3_600_000

/** What a server is confined to: what it declares, where the stage may as much. */
export function serverMode(
  { sandbox }: McpServer,
  stage: SandboxMode,
): 'read_only' | 'workspace_write' {
  return stage === 'read_only' ? 'read_only' : (sandbox ?? 'read_only')
}

export function startServer(
  { command }: McpServer,
  open: () => Promise<InteractiveSandbox>,
  signal: AbortSignal,
): StartServer {
  return async (onOutput) => {
    const sandbox = await open()
    const running = sandbox.start({
      argv: command,
      env: {},
      cwd: '/workspace',
      timeoutMs: LIFE_MS,
      stdin: 'open',
      terminal: undefined,
      onOutput,
    })
    const kill = () => running.kill()
    signal.addEventListener('abort', kill, { once: true })
    const ended = running.result.then(
      ({ exitCode, signal: by }) => `it ended with ${exitCode ?? by ?? 'a signal'}`,
      (error: unknown) => (error instanceof OpenExecError ? error.message : 'it failed'),
    )
    void ended.then(() => signal.removeEventListener('abort', kill))
    return { write: (bytes) => running.write(bytes), kill, ended }
  }
}
