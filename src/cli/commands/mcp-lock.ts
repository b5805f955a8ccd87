/** mcp lock, mcp check: the tools of a repository's MCP servers, pinned by a person. */
import type { Command } from 'commander'
import { join } from 'node:path'
import { z } from 'zod'
import { McpLock, OpenExecError, RunRequest } from '../../schema/index.ts'
import { bodyOf, type Client } from '../client.ts'
import {
  type CommandContext,
  type StateOptions,
  using,
  withStateOptions,
} from '../command-context.ts'
import { followRun } from '../follow.ts'
import { printJson } from '../print.ts'

interface LockOptions extends StateOptions {
  image?: string
  policy?: string
  json?: boolean
}

const LOCK_FILE = 'openexec.lock'
const CREATE = { state_needed: 'create', launch: 'here' } as const

/** As the action `list_mcp_tools` leaves it. */
const Listed = z.object({ lock: McpLock, changes: z.array(z.string()) })

export function registerMcpLock(mcp: Command, context: CommandContext): void {
  register(mcp, context, {
    name: 'lock',
    summary: 'Pin the tools of the MCP servers that openexec.yaml declares, in openexec.lock.',
    help:
      '\nEach server is started in a sandbox of its own and asked for its tools. Read what it prints:\n' +
      'descriptions are what agents are told. Commit openexec.lock then; a server whose tools differ\n' +
      'from it is refused.',
  })
  register(mcp, context, {
    name: 'check',
    summary: 'Compare what the servers list now with openexec.lock; exit code 1 when it differs.',
    help: '\nExample:\n  openexec mcp check && openexec run ./fix.yaml --task "…"',
  })
}

function register(
  mcp: Command,
  context: CommandContext,
  { name, summary, help }: { name: 'lock' | 'check'; summary: string; help: string },
): void {
  const command = mcp
    .command(name)
    .description(summary)
    .option('--image <name>', 'image to start the servers in')
    .option('--policy <file>', 'policy of the run')
    .option('--json', 'print one JSON object: {"changes": [...], "lock": {...}}')
  withStateOptions(command)
    .addHelpText('after', help)
    .action((_own: LockOptions, self: Command) => {
      // An option that the command above has, too, is the command's above.
      const options: LockOptions = self.optsWithGlobals()
      return using(context, { ...CREATE, from: options }, async ({ client, repo }) => {
        const root = repo ?? context.io.cwd
        const { lock, changes } = await listNow(context, client, { root, options })
        if (options.json === true) printJson(context.io, { changes, lock })
        else for (const line of changes) context.io.out(line)
        if (name === 'check') return context.exit(changes.length === 0 ? 0 : 1)
        const text = `${JSON.stringify(lock, undefined, 2)}\n`
        await context.io.writeFile(join(root, LOCK_FILE), Buffer.from(text))
        const count = Object.values(lock.mcp).reduce((sum, { tools }) => sum + tools.length, 0)
        context.io.err(`Pinned ${count} tools in ${LOCK_FILE}: look at them, then commit the file`)
      })
    })
}

/** Throws `bad_request` with what kept the run from listing them. */
async function listNow(
  { io }: CommandContext,
  client: Client,
  { root, options }: { root: string; options: LockOptions },
): Promise<z.infer<typeof Listed>> {
  const json = RunRequest.parse({
    blueprint: 'mcp_tools',
    task: '',
    repo: root,
    includeDirty: true,
    image: options.image,
    policyFile: options.policy,
    inputs: {},
    acceptDegraded: false,
    interactive: false,
  })
  const { id } = await bodyOf(client.v1.runs.$post({ json }))
  const frames = followRun(client, { run: id, after: 0, live: true, signal: io.signal })
  // Only the end matters.
  for await (const _frame of frames) continue
  const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id } }))
  if (result.status !== 'succeeded')
    throw new OpenExecError(
      'bad_request',
      `Cannot list the tools of the MCP servers: ${result.detail ?? result.reason ?? result.status}`,
      { hint: `See \`openexec events ${id}\`` },
    )
  const response = await client.v1.runs[':id'].artifacts[':artifact'].$get({
    param: { id, artifact: 'mcp_tools' },
  })
  return Listed.parse(JSON.parse(await response.text()))
}
