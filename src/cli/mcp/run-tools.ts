/** Tools that run something: a command or a shipped blueprint, each in a sandbox of its own. */
import { z } from 'zod'
import { OpenExecError, type Run, RunRequest } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import { followRun } from '../follow.ts'
import { createOutputEnds } from './output-ends.ts'
import { defineMcpTool, type McpDeps } from './mcp-tool.ts'

const RUNNING_MAX = 4
const TIMEOUT_SECONDS_MAX = 3600

const Common = {
  ref: z
    .string()
    .max(200)
    .optional()
    .describe('Commit, branch or tag to start from; HEAD by default'),
  include_dirty: z.boolean().default(false).describe('Start from uncommitted changes too'),
  image: z.string().max(300).optional().describe('base, node, python, or an image of the engine'),
  sandbox: z
    .enum(['read_only', 'workspace_write'])
    .optional()
    .describe('What the run may change; never more than its policy'),
  timeout_seconds: z.number().int().min(1).max(TIMEOUT_SECONDS_MAX).default(600),
}

export const runCommandTool = defineMcpTool({
  name: 'run_command',
  description:
    'Run one command in a new container on a copy of the repository, without network, and wait for its end. The checkout is not changed. argv is no shell line: use ["sh", "-c", "…"] where you want a shell.',
  readOnly: false,
  input: z.strictObject({
    argv: z.array(z.string().max(32_768)).min(1).max(256),
    ...Common,
  }),
  call: (deps, { argv, ...input }, signal) =>
    perform(deps, { ...input, blueprint: 'command', command: argv, task: '', inputs: {} }, signal),
})

export const runBlueprintTool = defineMcpTool({
  name: 'run_blueprint',
  description:
    'Run a shipped blueprint (see list_blueprints), for example "check" for the linters and tests of the repository, and wait for its end.',
  readOnly: false,
  input: z.strictObject({
    blueprint: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
    task: z
      .string()
      .max(20_000)
      .default('')
      .describe('What is to be done, for blueprints with a model'),
    inputs: z.record(z.string().max(64), z.string().max(1_000_000)).default({}),
    ...Common,
  }),
  call: (deps, input, signal) => perform(deps, { ...input, command: undefined }, signal),
})

interface Wanted {
  blueprint: string
  command: string[] | undefined
  task: string
  inputs: Record<string, string>
  ref?: string | undefined
  include_dirty: boolean
  image?: string | undefined
  sandbox?: 'read_only' | 'workspace_write' | undefined
  timeout_seconds: number
}

/** A run to its end. When the client gives up or goes away, the run is cancelled. */
async function perform(deps: McpDeps, wanted: Wanted, signal: AbortSignal): Promise<unknown> {
  if (deps.running.count >= RUNNING_MAX)
    throw new OpenExecError('conflict', `Cannot start: ${RUNNING_MAX} runs are going on already`, {
      hint: 'Wait for one of them to end',
    })
  deps.running.count += 1
  try {
    const run = await bodyOf(deps.client.v1.runs.$post({ json: requestOf(deps, wanted) }))
    const stop = AbortSignal.any([signal, deps.signal])
    return await awaitEnd(deps, run, stop)
  } finally {
    deps.running.count -= 1
  }
}

function requestOf(deps: McpDeps, wanted: Wanted): RunRequest {
  return RunRequest.parse({
    blueprint: wanted.blueprint,
    command: wanted.command,
    task: wanted.task,
    inputs: wanted.inputs,
    repo: deps.repo,
    ref: wanted.ref,
    includeDirty: wanted.include_dirty,
    image: wanted.image,
    policyFile: deps.policyFile,
    sandbox: wanted.sandbox,
    timeoutMs: wanted.timeout_seconds * 1000,
    acceptDegraded: false,
    // Nobody is there who could approve: a run that needs it stops, and an operator resumes it.
    interactive: false,
  })
}

async function awaitEnd({ client }: McpDeps, run: Run, stop: AbortSignal): Promise<unknown> {
  const cancel = () =>
    void client.v1.runs[':id'].cancel.$post({ param: { id: run.id } }).catch(() => {})
  if (stop.aborted) cancel()
  stop.addEventListener('abort', cancel, { once: true })
  const ends = createOutputEnds()
  const reading = new AbortController()
  try {
    const frames = followRun(client, { run: run.id, after: 0, live: true, signal: reading.signal })
    for await (const frame of frames)
      if (frame.type === 'output') ends.push(frame.stream, Buffer.from(frame.data, 'base64'))
    const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id: run.id } }))
    return { ...result, output: ends.texts() }
  } finally {
    reading.abort()
    stop.removeEventListener('abort', cancel)
  }
}
