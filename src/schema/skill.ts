/** A folder with a SKILL.md in the base commit: text that a model may ask for, and nothing more. */
import { z } from 'zod'
import { GitOid } from './ids.ts'

const SkillFile = z.strictObject({
  /** Relative to the repository. */
  path: z.string(),
  oid: GitOid,
  /** Bytes */
  size: z.number().int().nonnegative(),
})
export type SkillFile = z.infer<typeof SkillFile>

export const Skill = z.strictObject({
  /** That of its folder. */
  name: z
    .string()
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    .max(64),
  /** One line. */
  description: z.string().max(1024),
  /** Its SKILL.md. */
  text: SkillFile,
  /** What else lies in the folder, in path order. */
  files: z.array(SkillFile),
})
export type Skill = z.infer<typeof Skill>
