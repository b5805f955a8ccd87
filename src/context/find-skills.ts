/**
 * Skills of a repository: folders with a SKILL.md whose front matter has a name and a description.
 *
 * They are read from the base commit, so that nothing a sandbox writes becomes one, and frozen with
 * the run. All of it is a stranger's text: counts and sizes are bounded, links are no files of a
 * commit, and what does not fit is left out with a reason instead of failing the run. A skill grants
 * nothing: `allowed-tools` and whatever else it says of rights is not even read.
 */
import { z } from 'zod'
import { GitOid, OpenExecError, parseYaml, type Skill, type SkillFile } from '../schema/index.ts'

/** Where skills lie; of two with one name the first counts. */
const SKILL_ROOTS = ['.agents/skills', '.claude/skills', 'skills']
const SKILLS_MAX = 64
const TEXT_BYTES_MAX = 64 * 1024
const FILES_MAX = 64
/** Left out, and told, beyond this many. */
const REFUSED_MAX = 20

export interface SkillSource {
  /** Regular files of the base commit, in path order. */
  files: readonly { path: string; oid: string; size: number }[]
  readBlob(oid: string, maxBytes: number): Promise<Uint8Array>
  mayRead(path: string): boolean
}

export interface FoundSkills {
  skills: Skill[]
  /** What looks like a skill and is none, each with the reason. */
  refused: string[]
}

/** In the order of their names. */
export async function findSkills(source: SkillSource): Promise<FoundSkills> {
  const skills = new Map<string, Skill>()
  const refused: string[] = []
  for (const { folder, text } of candidates(source)) {
    if (!source.mayRead(text.path)) continue
    const read = skills.size < SKILLS_MAX ? await readSkill(source, folder, text) : TOO_MANY
    if (typeof read === 'string') refused.push(`${text.path}: ${read}`)
    else if (!skills.has(read.name)) skills.set(read.name, read)
  }
  const shown = refused.slice(0, REFUSED_MAX)
  const more = refused.length - shown.length
  return {
    skills: [...skills.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    refused: more > 0 ? [...shown, `and ${more} more`] : shown,
  }
}

const TOO_MANY = `a repository has at most ${SKILLS_MAX} skills`

function candidates({ files }: SkillSource) {
  return SKILL_ROOTS.flatMap((root) =>
    files.flatMap((text) => {
      const [folder = '', name, ...below] = text.path.startsWith(`${root}/`)
        ? text.path.slice(root.length + 1).split('/')
        : []
      return name === 'SKILL.md' && below.length === 0 ? [{ folder, text }] : []
    }),
  )
}

/** The skill, or why it is none. */
async function readSkill(
  source: SkillSource,
  folder: string,
  text: SkillSource['files'][number],
): Promise<Skill | string> {
  if (text.size > TEXT_BYTES_MAX) return `it has ${text.size} bytes, at most ${TEXT_BYTES_MAX}`
  const bytes = await source.readBlob(text.oid, TEXT_BYTES_MAX)
  const head = frontMatter(bytes)
  if (head === undefined) return 'it does not begin with front matter between two lines of "---"'
  const read = readFrontMatter(text.path, head)
  if (typeof read === 'string') return read
  if (read.name !== folder) return 'its name is not that of its folder'
  const description = oneLine(read.description)
  if (description === '') return 'its description says nothing'
  return { name: read.name, description, text: fileOf(text), files: filesBeside(source, text.path) }
}

/** What agents agree on; other keys may stand beside it and mean nothing here. */
const FrontMatter = z.looseObject({
  name: z
    .string()
    .max(64)
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  description: z.string().min(1).max(1024),
})

function readFrontMatter(file: string, text: string): z.infer<typeof FrontMatter> | string {
  try {
    return parseYaml({ file, text }, FrontMatter, 'config_invalid').value
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    return oneLine(error.message).slice(0, 300)
  }
}

function frontMatter(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes).replaceAll('\r\n', '\n')
  if (!text.startsWith('---\n')) return undefined
  const end = text.indexOf('\n---\n', 3)
  return end === -1 ? undefined : text.slice(4, end + 1)
}

function filesBeside({ files, mayRead }: SkillSource, path: string): SkillFile[] {
  const folder = path.slice(0, -'SKILL.md'.length)
  return files
    .filter((file) => file.path.startsWith(folder) && file.path !== path && mayRead(file.path))
    .slice(0, FILES_MAX)
    .map(fileOf)
}

function fileOf({ path, oid, size }: SkillSource['files'][number]): SkillFile {
  return { path, oid: GitOid.parse(oid), size }
}

/** Without line ends, and without what hides or turns text. */
function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]+/gu, ' ').trim()
}
