import { z } from 'zod'
import { cacheKey } from '../cache/index.ts'
import { CHURN_COMMITS, FILE_BYTES_MAX, type PackExtra } from '../context/index.ts'
import { ContextPack, type JsonObject } from '../schema/index.ts'
import { type ActionContext, defineAction } from './action.ts'

const BUDGET_TOKENS = 12_000
/** Bytes of one report that are looked at. */
const REPORT_BYTES_MAX = 64 * 1024
const REPORTS = ['test_report', 'lint_report', 'command_report']

/** What an agent stage reads first: the files of the base tree that fit the task, with reasons. */
export const buildContextPackAction = defineAction({
  name: 'build_context_pack',
  version: 2,
  inputs: REPORTS,
  outputs: ['context_pack'],
  with: z.strictObject({ budget_tokens: z.number().int().min(500).max(200_000).optional() }),
  timeout: 'fast',
  idempotent: true,
  goesOn: false,
  canFail: false,
  canSkip: false,
  needs: () => [
    { capability: 'repo_read', resource: { kind: 'none' }, subject: 'build_context_pack' },
  ],
  async execute(context, request) {
    const extras = await reportsOf(context)
    const budgetTokens = request.budget_tokens ?? BUDGET_TOKENS
    const { pack, note } = await packOf(context, { extras, budgetTokens })
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
  { extras, budgetTokens }: { extras: readonly PackExtra[]; budgetTokens: number },
): Promise<{ pack: ContextPack; note: JsonObject }> {
  const { tree, cache, policyHash, task: query } = context
  const key = cacheKey({
    kind: 'context_pack',
    maker: { id: 'build_context_pack', version: 2 },
    inputs: {
      query,
      extras: extras.map(({ kind, name, text }) => ({ kind, name, text })),
      budget_tokens: budgetTokens,
      commit: tree.baseCommit,
      mode: context.mode,
      stage: context.stage,
    },
    tree: tree.baseTree,
    imageDigest: undefined,
    policyHash,
    env: {},
  })
  const hit = cache.get(key)
  const known = hit && ContextPack.safeParse(hit.value)
  if (hit !== undefined && known?.success === true)
    return { pack: known.data, note: { cache: 'hit', key, origin: hit.originRun ?? null } }
  const pack = await context.packs.build({
    query,
    baseTree: tree.baseTree,
    files: await readable(context),
    readBlob: (oid) => tree.readBlob(oid, FILE_BYTES_MAX),
    history: { commit: tree.baseCommit, recent: () => tree.recentChanges(CHURN_COMMITS) },
    budgetTokens,
    extras,
  })
  cache.put(key, { kind: 'context_pack', value: pack, originRun: context.runId })
  return { pack, note: { cache: 'miss', key } }
}

/** What failed so far: stack traces name files better than any description. */
async function reportsOf(context: ActionContext): Promise<PackExtra[]> {
  const reports = await Promise.all(
    REPORTS.map(async (name) => ({ name, found: await context.readArtifact(name) })),
  )
  return reports.flatMap(({ name, found }) => {
    if (found === undefined) return []
    const text = new TextDecoder().decode(found.content.slice(0, REPORT_BYTES_MAX))
    return [{ kind: 'log' as const, name, text }]
  })
}

/** Files whose reading policy allows; one that it denies never reaches a model. */
async function readable(context: ActionContext) {
  return (await context.tree.baseFiles()).filter((file) => context.mayRead(file.path))
}
