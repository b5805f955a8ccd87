import type { ToolSpec } from '../schema/index.ts'
import { applyPatchTool } from './apply-patch.ts'
import { editFileTool } from './edit-file.ts'
import { finishTool } from './finish.ts'
import { gitDiffTool } from './git-diff.ts'
import { gitLogTool } from './git-log.ts'
import { gitStatusTool } from './git-status.ts'
import { globTool } from './glob.ts'
import { grepTool } from './grep.ts'
import { listDirectoryTool } from './list-directory.ts'
import { readArtifactTool } from './read-artifact.ts'
import { readFileTool } from './read-file.ts'
import { runActionTool } from './run-action.ts'
import type { Tool } from './tool.ts'
import type { Toolset } from './toolset.ts'
import { writeFileTool } from './write-file.ts'

/** Every tool there is, by name. */
export const TOOLS: readonly Tool[] = [
  applyPatchTool,
  editFileTool,
  finishTool,
  gitDiffTool,
  gitLogTool,
  gitStatusTool,
  globTool,
  grepTool,
  listDirectoryTool,
  readArtifactTool,
  readFileTool,
  runActionTool,
  writeFileTool,
]

const BY_NAME: ReadonlyMap<string, Tool> = new Map(TOOLS.map((tool) => [tool.name, tool]))

/** What a stage has: one toolset, and what this run brings beside it. */
export interface Toolbox {
  toolset: Toolset
  extras: readonly Tool[]
}

/** The tool of that name, if the stage has it. */
export function findTool({ toolset, extras }: Toolbox, name: string): Tool | undefined {
  if (toolset.tools.includes(name)) return BY_NAME.get(name)
  return extras.find((tool) => tool.name === name)
}

export function toolNames({ toolset, extras }: Toolbox): string[] {
  return [...toolset.tools, ...extras.map(({ name }) => name)]
}

/** What a model is told about its tools: sorted by name, the same bytes every time. */
export function toolSpecs({ toolset, extras }: Toolbox): ToolSpec[] {
  const own = TOOLS.filter((tool) => toolset.tools.includes(tool.name))
  const tools = [...own, ...extras].sort((a, b) => (a.name < b.name ? -1 : 1))
  return tools.map(({ name, description, parameters }) => ({
    name,
    description:
      name === 'run_action'
        ? `${description} Actions: ${toolset.actions.join(', ')}.`
        : description,
    parameters,
  }))
}
