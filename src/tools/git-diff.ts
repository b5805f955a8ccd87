import { z } from 'zod'
import { editPaths } from './patch/edit.ts'
import { parsePatch } from './patch/parse-patch.ts'
import { PathInput } from './path-input.ts'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess } from './tool.ts'

export const gitDiffTool = defineTool({
  name: 'git_diff',
  description: 'Shows what differs from the base of the run, as a patch; of one path if given.',
  input: z.strictObject({ path: PathInput.optional() }),
  capability: 'repo_read',
  effect: 'read',
  limits: { ...DEFAULT_TOOL_LIMITS, shownBytesMax: 32 * 1024 },
  example: { path: 'src/index.ts' },
  accesses: ({ path = '.' }) => [readAccess(path)],
  async execute({ patch, mayRead }, { path = '.' }) {
    const text = Buffer.from(await patch()).toString('latin1')
    // In a patch, only a header line can begin so: content lines begin with " ", "+", "-" or "\".
    const sections = text
      .split(/^(?=diff --git )/m)
      .filter((part) => part.startsWith('diff --git '))
    const shown = sections.filter((section) => {
      const paths = pathsOf(section)
      return paths.length > 0 && paths.every(mayRead) && paths.some((file) => isBelow(file, path))
    })
    const joined = Buffer.from(shown.map(withoutBinary).join(''), 'latin1').toString('utf8')
    return { ok: true, text: joined === '' ? 'Nothing has changed' : joined }
  },
})

/** A section whose paths cannot be told is not shown, since policy cannot be asked about it. */
function pathsOf(section: string): string[] {
  const parsed = parsePatch(Buffer.from(section, 'latin1'), { counts: 'exact' })
  if (parsed.ok) return editPaths(parsed.value.edits)
  return parsed.rejection.file === undefined ? [] : [parsed.rejection.file]
}

function isBelow(file: string, path: string): boolean {
  return path === '.' || file === path || file.startsWith(`${path}/`)
}

function withoutBinary(section: string): string {
  const at = section.indexOf('\nGIT binary patch\n')
  return at < 0 ? section : `${section.slice(0, at)}\nBinary content differs\n`
}
