/** sandbox cp: one file into a sandbox, or out of it. */
import type { Command } from 'commander'
import { statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { OpenExecError } from '../../schema/index.ts'
import { errorOf } from '../client.ts'
import {
  type CommandContext,
  READ,
  type StateOptions,
  using,
  withStateOptions,
} from '../command-context.ts'
import { EMBEDDED_URL, type LocalConnection, localOf } from '../local-client.ts'
import { readPlace, type SandboxPlace } from '../sandbox-place.ts'

const FILE_BYTES_MAX = 256 * 1024 * 1024

export function registerCopy(sandbox: Command, context: CommandContext): void {
  withStateOptions(
    sandbox
      .command('cp')
      .description('Copy a file into a sandbox, or out of it; one side is SANDBOX:PATH.')
      .argument('<from>')
      .argument('<to>'),
  )
    .addHelpText('after', HELP)
    .action((from: string, to: string, options: StateOptions) =>
      using(context, { ...READ, from: options }, async (connection) => {
        const local = localOf(connection)
        const [source, target] = [readPlace(from), readPlace(to)]
        if (source !== undefined && target === undefined)
          return await copyOut(context, { local, source, to })
        if (source === undefined && target !== undefined)
          return await copyIn(context, { local, from, target })
        throw new OpenExecError(
          'bad_request',
          'Cannot copy: exactly one side must be SANDBOX:PATH',
          { hint: 'See `openexec sandbox cp --help`' },
        )
      }),
    )
}

const HELP = `
Examples:
  openexec sandbox cp data.csv 4x9k:/workspace/     into a directory, under its own name
  openexec sandbox cp 4x9k:out/report.html .        relative paths inside lie in /workspace

Regular files up to 256 MiB below /workspace, /tmp and the home directory; no link is followed.
Whole directories go as a stream:
  tar c src | openexec sandbox exec 4x9k -i -- tar x
  openexec sandbox exec 4x9k -- tar c out > out.tar`

async function copyIn(
  { io }: CommandContext,
  { local, from, target }: { local: LocalConnection; from: string; target: SandboxPlace },
): Promise<void> {
  const body = new Uint8Array(await io.readFile(resolve(io.cwd, from), FILE_BYTES_MAX))
  const path = target.path.endsWith('/') ? target.path + basename(from) : target.path
  await ask(local, { ...target, path }, { method: 'PUT', body })
}

async function copyOut(
  { io }: CommandContext,
  { local, source, to }: { local: LocalConnection; source: SandboxPlace; to: string },
): Promise<void> {
  const answer = await ask(local, source, { method: 'GET' })
  const target = resolve(io.cwd, to)
  const isDirectory = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true
  const content = new Uint8Array(await answer.arrayBuffer())
  await io.writeFile(isDirectory ? join(target, basename(source.path)) : target, content)
}

async function ask(
  { fetch }: LocalConnection,
  { sandbox, path }: SandboxPlace,
  init: RequestInit,
): Promise<Response> {
  const address = new URL(`/v1/sandboxes/${sandbox}/file`, EMBEDDED_URL)
  address.searchParams.set('path', path)
  const answer = await fetch(address, init)
  if (answer.ok) return answer
  throw errorOf(answer.status, await answer.text())
}
