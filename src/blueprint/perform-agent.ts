/** One attempt of an agent stage: its tools, its budget, its inputs, and the patch it made. */
import { setTimeout as wait } from 'node:timers/promises'
import {
  type ActionContext,
  createBudget,
  boundsOfLimits,
  type AgentResult,
  REAL_CALLS,
  runAgentStage,
  serverMode,
  startServer,
} from '../actions/index.ts'
import { DEFAULT_RETRY, type Model, seededRandom } from '../model/index.ts'
import { ContextPack, type PinnedServer, type Skill, type Verdict } from '../schema/index.ts'
import {
  type ActionOutcome,
  createMcpTools,
  findToolset,
  loadSkillTool,
  type Tool,
  type ToolContext,
} from '../tools/index.ts'
import { allowedServers } from './mcp-servers.ts'
import { verdictOf } from './outcome.ts'
import { type AgentOutcome, recordedAction } from './recorded-action.ts'
import type { AgentPlanStage } from './plan.ts'
import { spentOfRun } from './run-spend.ts'
import type { StageScope } from './stage-scope.ts'

const INPUT_CHARS_MAX = 40_000
const ACTION_TAIL_CHARS = 4000

export async function performAgent(
  scope: StageScope,
  stage: AgentPlanStage,
): Promise<AgentOutcome> {
  const { deps, context } = scope
  const model = await deps.model()
  const mcp = createMcpTools(
    allowedServers(deps.mcp, { ...deps, mode: context.mode, stage: stage.id }),
    (server, signal) => startServer(server.server, () => serverSandbox(context, server), signal),
  )
  try {
    const extras = [...skillTools(deps.skills, skillReader(context)), ...mcp.tools]
    return await runStage(scope, stage, { model, extras })
  } finally {
    await mcp.close()
  }
}

async function runStage(
  scope: StageScope,
  stage: AgentPlanStage,
  { model, extras }: { model: Model; extras: readonly Tool[] },
): Promise<AgentOutcome> {
  const { deps, context, attempt } = scope
  const result = await runAgentStage(
    {
      model,
      calls: REAL_CALLS,
      tools: toolContext(scope, stage, extras),
      record: context.record,
      saveTranscript: async (name, content) =>
        await context.saveArtifact({
          name,
          type: 'transcript',
          mediaType: 'application/json',
          content,
        }),
      runBudget: createBudget(boundsOfLimits(deps.plan.limits), {
        level: 'run',
        parent: undefined,
        spent: spentOfRun(deps.state.db, deps.run.id),
        startedAt: deps.startedAt,
        now: () => performance.now(),
      }),
      retry: DEFAULT_RETRY,
      now: () => performance.now(),
      random: seededRandom(`${stage.id}.${attempt.attempt}`),
      sleep: async (ms, signal) => await wait(ms, undefined, { signal }).catch(() => {}),
    },
    {
      stage: stage.id,
      attempt: attempt.attempt,
      task: context.task,
      goal: stage.goal,
      instructions: '',
      skills: deps.skills,
      contextPack: await contextPack(context, stage),
      inputs: await inputTexts(context, stage),
      limits: stage.limits,
      maxOutputTokens: model.window.outputTokens,
      contextTokens: model.window.contextTokens,
      signal: context.signal,
    },
  )
  const { reason, detail, spent } = result
  const status = agentVerdict(result)
  const artifacts = status === 'succeeded' ? [await savePatch(context)] : []
  return { status, reason, summary: detail, artifacts, spent }
}

/** What another attempt would meet again is no crash, whoever noticed it. */
export function agentVerdict({ verdict, reason, detail }: AgentResult): Verdict {
  const isError = verdict === 'error' && reason !== undefined
  return isError ? verdictOf({ status: 'failed', reason, detail }) : verdict
}

export async function contextPack(
  context: Pick<ActionContext, 'readArtifact'>,
  stage: AgentPlanStage,
): Promise<ContextPack | undefined> {
  if (!stage.inputs.includes('context_pack')) return undefined
  const found = await context.readArtifact('context_pack')
  return found && ContextPack.parse(JSON.parse(new TextDecoder().decode(found.content)))
}

export async function inputTexts(
  context: Pick<ActionContext, 'readArtifact'>,
  stage: AgentPlanStage,
) {
  const names = stage.inputs.filter((name) => name !== 'context_pack')
  const found = await Promise.all(
    names.map(async (name) => ({ name, value: await context.readArtifact(name) })),
  )
  return found.flatMap(({ name, value }) =>
    value === undefined
      ? []
      : [{ name, text: new TextDecoder().decode(value.content).slice(0, INPUT_CHARS_MAX) }],
  )
}

/** Everything the run has changed so far, as later stages and people want to read it. */
async function savePatch(context: ActionContext): Promise<{ name: string; artifact_id: string }> {
  const content = await context.tree.patch(await context.tree.snapshot())
  const artifact = await context.saveArtifact({
    name: 'patch',
    type: 'patch',
    mediaType: 'text/x-patch',
    content,
  })
  return { name: artifact.name, artifact_id: artifact.id }
}

function toolContext(
  scope: StageScope,
  stage: AgentPlanStage,
  extras: readonly Tool[],
): ToolContext {
  const { context, deps } = scope
  const { tree } = context
  return {
    toolset: findToolset(stage.toolset),
    extras,
    sandbox: lazySandbox(context),
    gate: context.gate,
    mayRead: context.mayRead,
    changes: async () => await tree.changes(await tree.snapshot()),
    patch: async () => await tree.patch(await tree.snapshot()),
    log: tree.log,
    runAction: (name) => runNamedAction(scope, name),
    async saveOutput(name, content) {
      const draft = { name, type: 'tool_output', mediaType: 'text/plain', content } as const
      return await context.saveArtifact(draft)
    },
    async readArtifact(sha256, { offset, length }) {
      const artifact = context.listArtifacts().find((each) => each.sha256 === sha256)
      if (artifact === undefined) return undefined
      const whole = await deps.artifacts.read(artifact.id, { maxBytes: TOOL_ARTIFACT_BYTES_MAX })
      return { bytes: whole.subarray(offset, offset + length), size: whole.length }
    },
    signal: context.signal,
    now: () => performance.now(),
  }
}

/** A run without skills has no tool for them. */
export function skillTools(
  skills: readonly Skill[],
  readFile: Parameters<typeof loadSkillTool>[1],
): Tool[] {
  return skills.length === 0 ? [] : [loadSkillTool(skills, readFile)]
}

/** Of the base commit, whatever the workspace holds by now. */
function skillReader({ tree }: ActionContext): Parameters<typeof loadSkillTool>[1] {
  return ({ oid }, maxBytes) => tree.readBlob(oid, maxBytes)
}

async function serverSandbox(context: ActionContext, { name, server }: PinnedServer) {
  const { network = [] } = server
  return await context.serverSandbox({ name, mode: serverMode(server, context.mode), network })
}

const TOOL_ARTIFACT_BYTES_MAX = 64 * 1024 * 1024

/** Opened when a tool first needs it: a stage that only talks starts no container. */
function lazySandbox(context: ActionContext): ToolContext['sandbox'] {
  return {
    get id(): string {
      throw new Error('Cannot name a sandbox that may not be open')
    },
    get receipt(): never {
      throw new Error('Cannot read the receipt of a sandbox that may not be open')
    },
    exec: async (request) => await (await context.sandbox()).exec(request),
    readFile: async (path, options) => await (await context.sandbox()).readFile(path, options),
    writeFile: async (path, content, options) =>
      await (await context.sandbox()).writeFile(path, content, options),
    removeFile: async (path) => await (await context.sandbox()).removeFile(path),
    list: async (path) => await (await context.sandbox()).list(path),
    stat: async (path) => await (await context.sandbox()).stat(path),
    openEgress: async () => {},
    close: async () => {},
  }
}

async function runNamedAction(scope: StageScope, name: string): Promise<ActionOutcome> {
  const { context } = scope
  const { status, summary, artifacts } = await recordedAction(scope, { name, with: {}, first: [] })
  const tails = await Promise.all(
    artifacts.map(async ({ name: artifact }) => tailOf(await context.readArtifact(artifact))),
  )
  return { ok: status === 'succeeded', text: [`${status}: ${summary}`, ...tails].join('\n') }
}

/** The end of what the command printed, as its report holds it. */
function tailOf(found: { content: Uint8Array } | undefined): string {
  if (found === undefined) return ''
  const report: unknown = JSON.parse(new TextDecoder().decode(found.content))
  if (report === null || typeof report !== 'object') return ''
  const part = (stream: 'stdout' | 'stderr') => {
    const value: unknown = stream in report ? Reflect.get(report, stream) : undefined
    const tail: unknown =
      value !== null && typeof value === 'object' ? Reflect.get(value, 'tail') : ''
    return typeof tail === 'string' ? tail.slice(-ACTION_TAIL_CHARS) : ''
  }
  return [part('stdout'), part('stderr')].filter((text) => text !== '').join('\n')
}
