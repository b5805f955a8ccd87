/**
 * What a client may ask over the Model Context Protocol. Every tool has a strict schema; what a client
 * sends is parsed by it before anything happens. No tool approves, widens a policy or names a file of
 * the host.
 */
import type { z } from 'zod'
import type { Client } from '../client.ts'

export interface McpDeps {
  client: Client
  /** The one repository this server works on. */
  repo: string
  /** Policy of every run; the repository's or the built-in one when undefined. */
  policyFile: string | undefined
  /** Ends every run that this server started. */
  signal: AbortSignal
  /** How many runs are going on; bounded by the tools that start them. */
  running: { count: number }
}

export interface McpTool<Input extends z.ZodType = z.ZodType> {
  name: string
  description: string
  input: Input
  /** Whether nothing is run and nothing changed. */
  readOnly: boolean
  call(deps: McpDeps, input: z.output<Input>, signal: AbortSignal): Promise<unknown>
}

/** Gives `call()` the type of its own input. */
export function defineMcpTool<Input extends z.ZodType>(tool: McpTool<Input>): McpTool {
  // The server holds tools of every input type and parses before it calls.
  return tool as unknown as McpTool
}
