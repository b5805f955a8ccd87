/** mcp: OpenExec as a server of the Model Context Protocol. */
import type { Command } from 'commander'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import {
  type CommandContext,
  type StateOptions,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import type { McpDeps } from '../mcp/mcp-tool.ts'
import { registerMcpLock } from './mcp-lock.ts'

interface McpOptions extends StateOptions {
  http?: string
  policy?: string
}

const HELP = `
Examples:
  openexec mcp                        over stdin and stdout, for a client that starts it
  openexec mcp --http 8765            over HTTP on 127.0.0.1; prints address and token to stderr
  claude mcp add openexec -- openexec mcp --repo ~/src/project

A client can run commands and shipped blueprints in sandboxes, and read runs, logs, diffs, files and
context packs, all of one repository. It can never approve, apply, change a policy or reach the host.
Runs a client started are cancelled when it goes away.`

export function registerMcp(program: Command, context: CommandContext): void {
  const command = program
    .command('mcp')
    .summary('Serve OpenExec to agents over the Model Context Protocol.')
    .description(
      'Serve this repository over the Model Context Protocol (stdio, or HTTP on loopback).',
    )
    .option('--http <port>', 'listen on 127.0.0.1 instead; 0 takes any free port')
    .option(
      '--policy <file>',
      'policy of every run (default: openexec.policy.yaml of the repository)',
    )
  withStateOptions(command)
    .addHelpText('after', HELP)
    .action((options: McpOptions) => serve(context, options))
  registerMcpLock(command, context)
}

const CREATE = { state_needed: 'create', launch: 'here' } as const

async function serve(context: CommandContext, options: McpOptions): Promise<void> {
  const { io } = context
  const port =
    options.http === undefined
      ? undefined
      : wholeNumber('--http', options.http, { min: 0, max: 65_535 })
  const gone = new AbortController()
  await using(context, { ...CREATE, from: options }, async ({ client, repo }) => {
    const deps: McpDeps = {
      client,
      repo: repo ?? io.cwd,
      policyFile: options.policy === undefined ? undefined : resolve(io.cwd, options.policy),
      signal: AbortSignal.any([io.signal, gone.signal]),
      running: { count: 0 },
    }
    const onBug = (error: unknown) =>
      io.err(error instanceof Error ? (error.stack ?? error.message) : String(error))
    try {
      if (port === undefined) {
        const { serveStdio } = await import('../mcp/serve-stdio.ts')
        return await serveStdio(deps, onBug)
      }
      const { serveHttp } = await import('../mcp/serve-http.ts')
      const token = randomBytes(24).toString('base64url')
      const onListening = (url: string) =>
        io.err(`Serving ${url} with Authorization: Bearer ${token}`)
      await serveHttp(deps, { port, token, onBug, onListening })
    } finally {
      gone.abort()
    }
  })
}
