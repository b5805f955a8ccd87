/** Toolsets as data: an agent stage gets exactly one, and nothing outside it exists for the model. */
import { hashJson, OpenExecError } from '../schema/index.ts'

export interface Toolset {
  name: string
  description: string
  risk_level: 'low' | 'medium' | 'high'
  /** Whether a stage with it needs an approval before it begins. */
  requires_approval: boolean
  /** Names of tools. */
  tools: readonly string[]
  /** Named actions that `run_action` may start. */
  actions: readonly string[]
}

const LOOK = ['read_file', 'list_directory', 'glob', 'grep', 'read_artifact']
const HISTORY = ['git_status', 'git_diff', 'git_log']
const CHANGE = ['edit_file', 'write_file', 'apply_patch']
const CHECKS = ['run_linters', 'run_tests']

/** No toolset holds a shell. `finish` is in all, since nothing else ends a stage. */
export const TOOLSETS: readonly Toolset[] = [
  {
    name: 'repo_readonly',
    description: 'Look at files and history; change nothing, run nothing',
    risk_level: 'low',
    requires_approval: false,
    tools: [...LOOK, ...HISTORY, 'finish'],
    actions: [],
  },
  {
    name: 'coding_backend',
    description: 'Change files; run the linters and tests of the project',
    risk_level: 'medium',
    requires_approval: false,
    tools: [...LOOK, ...HISTORY, ...CHANGE, 'run_action', 'finish'],
    actions: CHECKS,
  },
  {
    name: 'coding_frontend',
    description: 'Change files; run the linters and tests of the project',
    risk_level: 'medium',
    requires_approval: false,
    tools: [...LOOK, ...HISTORY, ...CHANGE, 'run_action', 'finish'],
    actions: CHECKS,
  },
  {
    name: 'debug_ci',
    description: 'Find out why checks fail: run them, read their output, change files in place',
    risk_level: 'medium',
    requires_approval: false,
    tools: [...LOOK, ...HISTORY, 'edit_file', 'run_action', 'finish'],
    actions: CHECKS,
  },
  {
    name: 'docs_lookup',
    description: 'Find and read documents of the repository',
    risk_level: 'low',
    requires_approval: false,
    tools: [...LOOK, 'finish'],
    actions: [],
  },
  {
    name: 'release_ops',
    description: 'Prepare a release: versions, change logs, checks; made known by people only',
    risk_level: 'high',
    requires_approval: true,
    tools: [...LOOK, ...HISTORY, ...CHANGE, 'run_action', 'finish'],
    actions: [...CHECKS, 'generate_diff_report'],
  },
]

/** The toolset of that name. Throws `not_found` with the names there are. */
export function findToolset(name: string): Toolset {
  const found = TOOLSETS.find((toolset) => toolset.name === name)
  if (found !== undefined) return found
  throw new OpenExecError('not_found', `Cannot find toolset "${name}"`, {
    hint: `Choose one of ${TOOLSETS.map((toolset) => toolset.name).join(', ')}`,
  })
}

/** Part of the policy snapshot of a run. */
export function toolsetsHash(toolsets: readonly Toolset[]): string {
  return hashJson(toolsets)
}
