/** Tools that only read: runs, their output, changes and files, and what the repository holds. */
import { z } from 'zod'
import { addressPart, bodyOf, bytesOf } from '../client.ts'
import { followRun } from '../follow.ts'
import { createOutputEnds } from './output-ends.ts'
import { defineMcpTool } from './mcp-tool.ts'

const RunId = z
  .string()
  .regex(/^(?:run_)?[0-9a-hjkmnp-tv-z]{1,16}$/)
  .describe('Id of a run, or the beginning of one')
/** Part of a longer text. */
const Part = {
  offset: z.number().int().min(0).default(0),
  length: z.number().int().min(1).max(65_536).default(32_768),
}

export const READ_TOOLS = [
  defineMcpTool({
    name: 'list_blueprints',
    description: 'List the blueprints that run_blueprint can run.',
    readOnly: true,
    input: z.strictObject({}),
    call: ({ client }) => bodyOf(client.v1.blueprints.$get()),
  }),
  defineMcpTool({
    name: 'list_runs',
    description: 'List the newest runs of this repository.',
    readOnly: true,
    input: z.strictObject({ limit: z.number().int().min(1).max(100).default(20) }),
    async call({ client }, { limit }) {
      const { runs } = await bodyOf(client.v1.runs.$get({ query: { limit: String(limit) } }))
      return runs.map(({ id, blueprint, status, reason, detail, createdAt }) => ({
        run: id,
        blueprint,
        status,
        reason,
        detail,
        created: new Date(createdAt).toISOString(),
      }))
    },
  }),
  defineMcpTool({
    name: 'get_run',
    description: 'How a run ended: status, stages, artifacts, size of its changes.',
    readOnly: true,
    input: z.strictObject({ run: RunId }),
    call: ({ client }, { run: id }) => bodyOf(client.v1.runs[':id'].result.$get({ param: { id } })),
  }),
  defineMcpTool({
    name: 'get_logs',
    description: 'The end of what the commands of a run wrote to stdout and stderr.',
    readOnly: true,
    input: z.strictObject({ run: RunId }),
    async call({ client }, { run: prefix }, signal) {
      const { id } = await bodyOf(client.v1.runs[':id'].$get({ param: { id: prefix } }))
      const ends = createOutputEnds()
      for await (const frame of followRun(client, { run: id, after: 0, live: false, signal }))
        if (frame.type === 'output') ends.push(frame.stream, Buffer.from(frame.data, 'base64'))
      return ends.texts()
    },
  }),
  defineMcpTool({
    name: 'get_diff',
    description: 'What a run changed, as a patch or as a list of names. Nothing is applied.',
    readOnly: true,
    input: z.strictObject({
      run: RunId,
      format: z.enum(['patch', 'stat', 'name-only']).default('patch'),
      ...Part,
    }),
    async call({ client }, { run: id, format, ...part }) {
      const query = { format }
      const answer = client.v1.runs[':id'].diff.$get({ param: { id }, query })
      return partOf(await bytesOf(answer), part)
    },
  }),
  defineMcpTool({
    name: 'read_file',
    description: 'Read a file as a run left it, unless its policy keeps it from being read.',
    readOnly: true,
    input: z.strictObject({ run: RunId, path: z.string().min(1).max(4096), ...Part }),
    async call({ client }, { run: id, path, ...part }) {
      const query = { path }
      return partOf(await bytesOf(client.v1.runs[':id'].file.$get({ param: { id }, query })), part)
    },
  }),
  defineMcpTool({
    name: 'read_artifact',
    description: 'Read a named artifact of a run, such as test_report (see get_run).',
    readOnly: true,
    input: z.strictObject({ run: RunId, artifact: z.string().min(1).max(200), ...Part }),
    async call({ client }, { run: id, artifact: name, ...part }) {
      const param = { id, artifact: addressPart(name) }
      return partOf(
        await bytesOf(client.v1.runs[':id'].artifacts[':artifact'].$get({ param })),
        part,
      )
    },
  }),
  defineMcpTool({
    name: 'find_context',
    description: 'The parts of the repository that fit a task, with reasons; secrets are replaced.',
    readOnly: true,
    input: z.strictObject({
      task: z.string().min(1).max(20_000),
      budget_tokens: z.number().int().min(500).max(50_000).default(8000),
    }),
    async call({ client, repo, policyFile }, { task, budget_tokens: budgetTokens }) {
      const about = { task, repo, includeDirty: false, budgetTokens, logs: [] }
      const json = { ...about, ...(policyFile !== undefined && { policyFile }) }
      return (await bodyOf(client.v1.context.$post({ json }))).text
    },
  }),
] as const

function partOf(bytes: Uint8Array, { offset, length }: { offset: number; length: number }) {
  const part = bytes.subarray(offset, offset + length)
  return {
    text: Buffer.from(part).toString('utf8'),
    offset,
    bytes: part.length,
    total_bytes: bytes.length,
  }
}
