import { z } from 'zod'
import { cacheKey } from '../cache/index.ts'
import { buildContextPack } from '../context/index.ts'
import { ContextPack, type JsonObject } from '../schema/index.ts'
import { type ActionContext, defineAction } from './action.ts'

const BUDGET_TOKENS = 12_000
const BLOB_BYTES_MAX = 262_144

/** What an agent stage reads first: the files of the base tree that fit the task, with reasons. */
export const buildContextPackAction = defineAction({
  name: 'build_context_pack',
  version: 1,
  inputs: ['test_report', 'lint_report', 'command_report'],
  outputs: ['context_pack'],
  with: z.strictObject({ budget_tokens: z.number().int().min(500).max(200_000).optional() }),
  timeout: 'fast',
  idempotent: true,
  canFail: false,
  canSkip: false,
  needs: () => [
    { capability: 'repo_read', resource: { kind: 'none' }, subject: 'build_context_pack' },
  ],
  async execute(context, request) {
    const query = await queryOf(context)
    const budgetTokens = request.budget_tokens ?? BUDGET_TOKENS
    const { pack, note } = await packOf(context, { query, budgetTokens })
    const content = Buffer.from(`${JSON.stringify(pack, undefined, 2)}\n`)
    const about = { name: 'context_pack', type: 'context_pack' } as const
    const draft = { ...about, mediaType: 'application/json', content }
    const artifact = await context.saveArtifact(draft, note)
    return {
      status: 'succeeded',
      reason: undefined,
      summary: `${pack.items.length} items of ${new Set(pack.items.map((item) => item.path)).size} files`,
      artifacts: [{ name: 'context_pack', artifact_id: artifact.id }],
    }
  },
})

/**
 * The same tree, query, budget and policy give the same pack, so it is made once. Whether it was made
 * here is told beside the event: a re-execution need not repeat it.
 */
async function packOf(
  context: ActionContext,
  { query, budgetTokens }: { query: string; budgetTokens: number },
): Promise<{ pack: ContextPack; note: JsonObject }> {
  const { tree, cache, policyHash } = context
  const key = cacheKey({
    kind: 'context_pack',
    maker: { id: 'build_context_pack', version: 1 },
    inputs: { query, budget_tokens: budgetTokens, mode: context.mode, stage: context.stage },
    tree: tree.baseTree,
    imageDigest: undefined,
    policyHash,
    env: {},
  })
  const hit = cache.get(key)
  const known = hit && ContextPack.safeParse(hit.value)
  if (hit !== undefined && known?.success === true)
    return { pack: known.data, note: { cache: 'hit', key, origin: hit.originRun ?? null } }
  const pack = await buildContextPack({
    query,
    baseTree: tree.baseTree,
    files: await readable(context),
    readBlob: (oid: string) => tree.readBlob(oid, BLOB_BYTES_MAX),
    budgetTokens,
  })
  cache.put(key, { kind: 'context_pack', value: pack, originRun: context.runId })
  return { pack, note: { cache: 'miss', key } }
}

/** The task, and what failed so far: stack traces name files better than any description. */
async function queryOf(context: ActionContext): Promise<string> {
  const reports = await Promise.all(
    ['test_report', 'lint_report', 'command_report'].map((name) => context.readArtifact(name)),
  )
  const texts = reports.flatMap((found) =>
    found === undefined ? [] : [new TextDecoder().decode(found.content).slice(0, 20_000)],
  )
  return [context.task, ...texts].filter(Boolean).join('\n')
}

/** Files whose reading policy allows; one that it denies never reaches a model. */
async function readable(context: ActionContext) {
  return (await context.tree.baseFiles()).filter((file) => context.mayRead(file.path))
}
