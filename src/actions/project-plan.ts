/**
 * Which commands set up, lint and test a repository: from its `openexec.yaml`, else from what the
 * base commit shows. Decided once per run and from the base commit, so nothing a sandbox writes can
 * switch a check off; what was chosen, and why, is recorded.
 */
import { type McpServer, OpenExecError, parseYaml, ProjectConfig } from '../schema/index.ts'
import { detectCommands } from './detect-commands.ts'

export interface ChosenCommand {
  argv: readonly string[]
  /** Why this one: a file and a key. */
  because: string
  /** `ms`, when the repository sets one. */
  timeoutMs: number | undefined
}

export interface ProjectPlan {
  setup: ChosenCommand | undefined
  lint: ChosenCommand | undefined
  test: ChosenCommand | undefined
  /** Globs of JUnit files, relative to the repository. */
  junit: readonly string[]
  /** Image the repository asks for; the caller's own choice wins. */
  image: string | undefined
  /** Image that fits what was detected. */
  suggestedImage: 'base' | 'node' | 'python'
  /** MCP servers by name. */
  mcp: Readonly<Record<string, McpServer>>
}

/** For runs that ask the repository for no command. */
export const NO_PROJECT: ProjectPlan = {
  setup: undefined,
  lint: undefined,
  test: undefined,
  junit: [],
  image: undefined,
  suggestedImage: 'base',
  mcp: {},
}

/** Reads a file of the base commit as text; `undefined` when absent or no regular file. */
export type ReadBaseFile = (path: string) => Promise<string | undefined>

export const CONFIG_FILE = 'openexec.yaml'
const JUNIT_DEFAULTS = [
  'junit.xml',
  'test-results.xml',
  'reports/junit.xml',
  'test-results/junit.xml',
]

/** Throws `config_invalid` with file:line:column when `openexec.yaml` is not valid. */
export async function planProject(read: ReadBaseFile): Promise<ProjectPlan> {
  const text = await read(CONFIG_FILE)
  const config: ProjectConfig =
    text === undefined
      ? {}
      : parseYaml({ file: CONFIG_FILE, text }, ProjectConfig, 'config_invalid').value
  const detected = await detectCommands(read)
  const choose = (kind: 'setup' | 'lint' | 'test'): ChosenCommand | undefined => {
    const configured = config.commands?.[kind]
    if (configured !== undefined)
      return {
        argv: configured,
        because: `${CONFIG_FILE} commands.${kind}`,
        timeoutMs: config.timeouts?.[kind],
      }
    const found = kind === 'setup' ? undefined : detected[kind]
    return found && { ...found, timeoutMs: config.timeouts?.[kind] }
  }
  const junit = config.reports?.junit ?? JUNIT_DEFAULTS
  for (const path of junit)
    if (path.startsWith('/') || path.split('/').includes('..'))
      throw new OpenExecError(
        'config_invalid',
        `Cannot use report path "${path}" of "${CONFIG_FILE}": expected a path inside the repository`,
      )
  return {
    setup: choose('setup'),
    lint: choose('lint'),
    test: choose('test'),
    junit,
    image: config.image,
    suggestedImage: detected.image,
    mcp: config.mcp ?? {},
  }
}
