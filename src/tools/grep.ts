import { z } from 'zod'
import { capture, type Captured } from './capture.ts'
import { PathInput } from './path-input.ts'
import { isGitDirectory } from './repo-path.ts'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess, type ToolContext } from './tool.ts'

const TIMEOUT_MS = 20_000
const LINE_CHARACTERS_MAX = 300
const MATCHES_MAX = 500

const Input = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .max(1000)
    .describe('Text to find; a regular expression with regex: true'),
  path: PathInput.optional(),
  regex: z.boolean().optional(),
  ignore_case: z.boolean().optional(),
})
type Input = z.output<typeof Input>

/** Searches inside the sandbox, by argv and never by a shell, with ripgrep or else grep. */
export const grepTool = defineTool({
  name: 'grep',
  description: 'Finds lines in text files. The pattern is taken literally unless regex is true.',
  input: Input,
  capability: 'repo_read',
  effect: 'read',
  limits: DEFAULT_TOOL_LIMITS,
  example: { pattern: 'function sum(', path: 'src' },
  accesses: ({ path = '.' }) => [readAccess(path)],
  async execute(context, input) {
    const options = { bytesMax: OUTPUT_BYTES_MAX, timeoutMs: TIMEOUT_MS }
    const found =
      (await capture(context, ripgrepArgv(input), options)) ??
      (await capture(context, grepArgv(input), options))
    if (found === undefined)
      return { ok: false, text: 'The image has neither ripgrep nor grep; read files instead' }
    const { lines, cut } = matchingLines(found, context)
    const failed =
      found.result !== undefined && found.result.exitCode !== 0 && found.result.exitCode !== 1
    if (failed && lines.length === 0) return { ok: false, text: failureOf(found) }
    if (cut || found.result === undefined) lines.push('[There are more matches; narrow the search]')
    return { ok: true, text: lines.length === 0 ? 'No line matches' : lines.join('\n') }
  },
})

const OUTPUT_BYTES_MAX = 1024 * 1024

const RIPGREP =
  'rg --no-config --line-number --no-heading --color=never --null --hidden --glob=!.git --sort=path --max-columns=2000 --max-columns-preview'

function ripgrepArgv({ pattern, path, regex, ignore_case }: Input): string[] {
  const flags = [
    regex === true ? [] : ['--fixed-strings'],
    ignore_case === true ? ['--ignore-case'] : [],
  ].flat()
  return [...RIPGREP.split(' '), ...flags, '-e', pattern, '--', `./${path ?? ''}`]
}

function grepArgv({ pattern, path, regex, ignore_case }: Input): string[] {
  const flags = [regex === true ? '-E' : '-F', ...(ignore_case === true ? ['-i'] : [])]
  const fixed = ['grep', '-rInZ', '--exclude-dir=.git', '--color=never']
  return [...fixed, ...flags, '-e', pattern, '--', `./${path ?? ''}`]
}

/** `path NUL line:text` per match; a name may hold anything but NUL. */
function matchingLines(
  { stdout }: Captured,
  { mayRead }: ToolContext,
): { lines: string[]; cut: boolean } {
  const text = stdout.toString('utf8')
  const matches: { path: string; line: number; text: string }[] = []
  let at = 0
  while (at < text.length) {
    const nul = text.indexOf('\0', at)
    if (nul < 0) break
    const end = text.indexOf('\n', nul)
    const path = text.slice(at, nul).replace(/^\.\/+/, '')
    const row = text.slice(nul + 1, end < 0 ? undefined : end)
    at = end < 0 ? text.length : end + 1
    const colon = row.indexOf(':')
    matches.push({ path, line: Number(row.slice(0, colon)), text: row.slice(colon + 1) })
  }
  const visible = matches
    .filter(({ path }) => !path.split('/').some(isGitDirectory) && mayRead(path))
    .sort((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1))
  const lines = visible.slice(0, MATCHES_MAX).map((match) => {
    const shown = match.text.replace(/\r$/, '').slice(0, LINE_CHARACTERS_MAX)
    return `${JSON.stringify(match.path).slice(1, -1)}:${match.line}: ${shown}`
  })
  return { lines, cut: visible.length > MATCHES_MAX }
}

function failureOf({ result, stderr }: Captured): string {
  if (result?.timedOut === true) return `The search did not end within ${TIMEOUT_MS} ms`
  return `The search failed: ${stderr.toString('utf8').slice(0, 1000).trim()}`
}
