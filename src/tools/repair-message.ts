import type { Tool } from './tool.ts'

/** Tells a model what was wrong with its arguments and how right ones look. */
export function repairMessage(tool: Tool, problems: string): string {
  return [
    `The arguments of "${tool.name}" cannot be used:`,
    problems,
    `Schema: ${JSON.stringify(tool.parameters)}`,
    `Example: ${JSON.stringify(tool.example)}`,
  ].join('\n')
}
