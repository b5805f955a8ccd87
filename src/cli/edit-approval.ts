/** The command a run asks for, changed by a person: in an editor, from a file, or from stdin. */
import { ApprovalEdit, OpenExecError, parseYaml, type RunId } from '../schema/index.ts'
import { allEvents } from './all-events.ts'
import type { Client } from './client.ts'
import type { Io } from './io.ts'

const EDIT_BYTES_MAX = 256 * 1024

export interface EditSource {
  io: Io
  client: Client
  /** `VISUAL`, else `EDITOR`. */
  editor: string | undefined
  /** Of the option: a path, `-` for stdin, `true` for an editor. */
  from: string | true
}

/** Throws `bad_request` and `config_invalid` for what is no command. */
export async function readEdit(
  { io, client, editor, from }: EditSource,
  { id, approval }: { id: RunId; approval: string | undefined },
): Promise<ApprovalEdit> {
  if (from === true) {
    const argv = await askedFor(client, id, approval)
    const text = await io.edit(editor, { name: 'command.yaml', text: templateOf(id, argv) })
    return parseEdit('command.yaml', text)
  }
  const text = from === '-' ? await wholeInput(io) : await wholeFile(io, from)
  return parseEdit(from === '-' ? 'stdin' : from, text)
}

function parseEdit(file: string, text: string): ApprovalEdit {
  return parseYaml({ file, text }, ApprovalEdit, 'config_invalid').value
}

function templateOf(id: RunId, argv: readonly string[]): string {
  return [
    `# Run ${id} asks to run this command. Change it, save, and leave the editor;`,
    '# leave it as it is to decide nothing.',
    'argv:',
    ...argv.map((word) => `  - ${JSON.stringify(word)}`),
    '',
  ].join('\n')
}

/** The command of the newest open request, as the timeline has it. */
async function askedFor(
  client: Client,
  id: RunId,
  approval: string | undefined,
): Promise<readonly string[]> {
  const open = new Map<string, unknown>()
  for (const { type, payload, volatile } of await allEvents(client, id)) {
    const name = typeof volatile['approval'] === 'string' ? volatile['approval'] : ''
    if (type === 'approval_requested') open.set(name, payload['resource'])
    if (type === 'approval_decided') open.delete(name)
  }
  const named = [...open].filter(([name]) => approval === undefined || name.startsWith(approval))
  const resource = named.at(-1)?.[1]
  const shown = ApprovalEdit.safeParse({ argv: Reflect.get(Object(resource), 'argv') })
  const isCut = Reflect.has(Object(resource), 'argv_hash')
  if (shown.success && !isCut) return shown.data.argv
  throw new OpenExecError(
    'bad_request',
    `Cannot edit what run "${id}" asks for: ${isCut ? 'its command is too long to show' : 'it is no command'}`,
    {
      hint: isCut
        ? 'Give the whole new command with --edit FILE'
        : `See what it asks for with \`openexec show ${id}\``,
    },
  )
}

async function wholeFile(io: Io, path: string): Promise<string> {
  return new TextDecoder().decode(await io.readFile(path, EDIT_BYTES_MAX))
}

async function wholeInput(io: Io): Promise<string> {
  const lines: string[] = []
  let size = 0
  for await (const line of io.lines()) {
    size += line.length + 1
    if (size > EDIT_BYTES_MAX)
      throw new OpenExecError(
        'bad_request',
        `Cannot read stdin: it is larger than ${EDIT_BYTES_MAX} bytes`,
      )
    lines.push(line)
  }
  return lines.join('\n')
}
