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

/** The tool of that name, if the toolset has it. */
export function findTool(toolset: Toolset, name: string): Tool | undefined {
  return toolset.tools.includes(name) ? BY_NAME.get(name) : undefined
}

/** What a model is told about a toolset: sorted by name, the same bytes every time. */
export function toolSpecs(toolset: Toolset): ToolSpec[] {
  const tools = TOOLS.filter((tool) => toolset.tools.includes(tool.name))
  return tools.map(({ name, description, parameters }) => ({
    name,
    description:
      name === 'run_action'
        ? `${description} Actions: ${toolset.actions.join(', ')}.`
        : description,
    parameters,
  }))
}
