/** What the base commit of a run says of itself: its commands, its skills, its servers. */
import { NO_PROJECT, planProject, type ProjectPlan } from '../actions/index.ts'
import { findSkills, type FoundSkills } from '../context/index.ts'
import { deniesRead, type Policy } from '../policy/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import { findServers, type FoundServers } from './mcp-servers.ts'
import type { Plan } from './plan.ts'
import { readBaseText } from './plan-project.ts'

export interface BaseFacts {
  project: ProjectPlan
  skills: FoundSkills
  mcp: FoundServers
}

const NO_SKILLS: FoundSkills = { skills: [], refused: [] }
const NO_SERVERS: FoundServers = { servers: [], notices: [] }
export const NOTHING_READ: BaseFacts = { project: NO_PROJECT, skills: NO_SKILLS, mcp: NO_SERVERS }

/** What the base commit says of itself; read here so that what is wrong with it is told at once. */
export async function readBase(
  { workspaces }: { workspaces: Workspaces },
  { source, plan, policy }: { source: Source; plan: Plan; policy: Policy },
  signal: AbortSignal,
): Promise<BaseFacts> {
  const { store, tree } = source
  const files = workspaces.listFiles(store, { tree, signal })
  const blobs = workspaces.openBlobs(store, signal)
  const base = {
    baseFiles: () => files,
    readBlob: (oid: string, maxBytes: number) => blobs.read(oid, maxBytes),
  }
  try {
    const read = (path: string) => readBaseText(base, path)
    const project = await planProject(read)
    if (!plan.stages.some(({ type }) => type === 'agent'))
      return { project, skills: NO_SKILLS, mcp: NO_SERVERS }
    const mayRead = (path: string) => !deniesRead(policy, path)
    const skills = await findSkills({ files: await files, readBlob: base.readBlob, mayRead })
    return { project, skills, mcp: await findServers(project, read) }
  } finally {
    await blobs.close()
  }
}

/** What a person should know of it before the run begins. */
export function baseNotices({ skills: { skills, refused }, mcp }: BaseFacts): string[] {
  const names = skills.map(({ name }) => name).join(', ')
  return [
    ...(skills.length > 0 ? [`Skills of the repository: ${names}`] : []),
    ...(refused.length > 0 ? [`Left out as skills: ${refused.join('; ')}`] : []),
    ...mcp.notices,
  ]
}
