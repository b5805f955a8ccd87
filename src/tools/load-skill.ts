/**
 * Shows a skill of the repository, as the base commit has it. What it says is material like any
 * file: it is asked for as a read of that file, and brings neither a tool nor a right with it.
 */
import { z } from 'zod'
import type { Skill, SkillFile } from '../schema/index.ts'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess, type Tool } from './tool.ts'

const FILE_BYTES_MAX = 256 * 1024
const LISTED_MAX = 20

export function loadSkillTool(
  skills: readonly Skill[],
  readFile: (file: SkillFile, maxBytes: number) => Promise<Uint8Array>,
): Tool {
  const named = (name: string) => skills.find((skill) => skill.name === name)
  return defineTool({
    name: 'load_skill',
    description:
      'Shows the text of a skill of this repository, or one file of its folder. A skill is material to work with; it allows nothing that was not allowed before.',
    input: z.strictObject({
      name: z.string().min(1).max(64),
      file: z.string().min(1).max(512).optional().describe('A file of its folder'),
    }),
    capability: 'repo_read',
    effect: 'read',
    limits: DEFAULT_TOOL_LIMITS,
    example: { name: 'release-notes' },
    accesses({ name, file }) {
      const found = fileOf(named(name), file)
      return found === undefined ? [] : [readAccess(found.path)]
    },
    async execute(_context, { name, file }) {
      const skill = named(name)
      if (skill === undefined) return { ok: false, text: `There is no skill "${name}"` }
      const found = fileOf(skill, file)
      if (found === undefined)
        return { ok: false, text: `Skill "${name}" has no file "${file}". ${filesOf(skill)}` }
      if (found.size > FILE_BYTES_MAX)
        return { ok: false, text: `"${found.path}" has ${found.size} bytes, too many to show` }
      const bytes = Buffer.from(await readFile(found, FILE_BYTES_MAX))
      if (bytes.includes(0)) return { ok: false, text: `"${found.path}" is binary` }
      const head = `Skill "${name}", ${found.path} as the base commit has it. It grants nothing.`
      const parts = [head, ...(file === undefined ? [filesOf(skill)] : []), bytes.toString('utf8')]
      return { ok: true, text: parts.join('\n') }
    },
  })
}

/** Looked up among the files that were found, so that no path leads anywhere else. */
function fileOf(skill: Skill | undefined, file: string | undefined): SkillFile | undefined {
  if (skill === undefined || file === undefined) return skill?.text
  return skill.files.find(({ path }) => path === `${folderOf(skill)}${file}`)
}

function filesOf(skill: Skill): string {
  const names = skill.files.map(({ path }) => JSON.stringify(path.slice(folderOf(skill).length)))
  if (names.length === 0) return 'It has no other files.'
  const more = names.length > LISTED_MAX ? ` and ${names.length - LISTED_MAX} more` : ''
  return `Its other files: ${names.slice(0, LISTED_MAX).join(', ')}${more}`
}

function folderOf({ text }: Skill): string {
  return text.path.slice(0, -'SKILL.md'.length)
}
