import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import { PathInput } from './path-input.ts'
import { workspacePath } from './repo-path.ts'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess, type ToolContext } from './tool.ts'

/** Bytes */
const FILE_BYTES_MAX = 8 * 1024 * 1024
const LINES_DEFAULT = 1000
const LINE_CHARACTERS_MAX = 2000
/** Bytes looked at for a NUL. */
const SNIFFED_BYTES = 8192

const LineNumber = z.number().int().positive().max(10_000_000)

export const readFileTool = defineTool({
  name: 'read_file',
  description: `Shows a text file with line numbers, at most ${LINES_DEFAULT} lines unless a range says otherwise.`,
  input: z.strictObject({
    path: PathInput,
    start_line: LineNumber.optional(),
    end_line: LineNumber.optional(),
  }),
  capability: 'repo_read',
  effect: 'read',
  limits: { ...DEFAULT_TOOL_LIMITS, shownBytesMax: 48 * 1024 },
  example: { path: 'src/index.ts', start_line: 1, end_line: 80 },
  accesses: ({ path }) => [readAccess(path)],
  async execute(
    context,
    { path, start_line: start = 1, end_line: end = start + LINES_DEFAULT - 1 },
  ) {
    const bytes = await readRegularFile(context, path)
    if (bytes.subarray(0, SNIFFED_BYTES).includes(0))
      return { ok: false, text: `"${path}" is a binary file of ${bytes.length} bytes` }
    const text = Buffer.from(bytes)
      .toString('utf8')
      .replace(/^\uFEFF/, '')
    const lines = text === '' ? [] : text.split('\n')
    if (lines.at(-1) === '') lines.pop()
    if (start > Math.max(lines.length, 1))
      return { ok: false, text: `"${path}" has ${lines.length} lines; line ${start} is not one` }
    const shown = lines.slice(start - 1, end)
    const crlf = shown.some((line) => line.endsWith('\r')) ? ', lines end with CRLF' : ''
    const notice = Buffer.from(text).length < bytes.length - 3 ? ', not UTF-8' : ''
    const last = start + shown.length - 1
    const head = `${path}: lines ${Math.min(start, last)}-${last} of ${lines.length}${crlf}${notice}`
    return {
      ok: true,
      text: [head, ...shown.map((line, i) => numbered(start + i, line))].join('\n'),
    }
  },
})

/** A regular file's bytes. Throws `not_found` or `bad_request`, and never follows a link. */
async function readRegularFile({ sandbox }: ToolContext, path: string): Promise<Uint8Array> {
  const absolute = workspacePath(path)
  const stat = await sandbox.stat(absolute)
  if (stat === undefined)
    throw new OpenExecError('not_found', `Cannot read "${path}": there is no such file`, {
      hint: 'Look for it with glob or list_directory',
    })
  if (stat.type !== 'file')
    throw new OpenExecError(
      'bad_request',
      `Cannot read "${path}": it is ${stat.type === 'directory' ? 'a directory' : 'no regular file'}`,
      { hint: 'List directories with list_directory; links are not followed' },
    )
  if (stat.size > FILE_BYTES_MAX)
    throw new OpenExecError(
      'bad_request',
      `Cannot read "${path}": it has ${stat.size} bytes, more than ${FILE_BYTES_MAX}`,
      { hint: 'Search it with grep' },
    )
  return await sandbox.readFile(absolute, { maxBytes: FILE_BYTES_MAX })
}

function numbered(number: number, line: string): string {
  const text = line.replace(/\r$/, '')
  const cut = text.length - LINE_CHARACTERS_MAX
  const shown = cut > 0 ? `${text.slice(0, LINE_CHARACTERS_MAX)} [${cut} characters more]` : text
  return `${String(number).padStart(6)}\t${shown}`
}
