import { join } from 'node:path'
import {
  type Catalog as Blueprints,
  listBlueprints,
  POLICY_FILE,
  policyFrom,
} from '../blueprint/index.ts'
import {
  CHURN_COMMITS,
  type ContextPacks,
  FILE_BYTES_MAX,
  type PackExtra,
  renderContextPack,
} from '../context/index.ts'
import { evaluate, type Policy } from '../policy/index.ts'
import { type ContextPack, type ContextRequest, GitOid } from '../schema/index.ts'
import { type Endpoint, routeWithEndpoint } from '../router/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import type { Advisor } from './advisor.ts'
import { measureRecall } from './measure-recall.ts'

export interface AdvisorDeps {
  workspaces: Workspaces
  packs: ContextPacks
  blueprints: Blueprints
  /** Asked where nothing else is sure. Throws `config_invalid`. */
  endpoint(): Endpoint | undefined
}

export function createAdvisor(deps: AdvisorDeps): Advisor {
  return {
    contextPack: async (request, { signal }) => {
      const pack = await packFor(deps, request, signal)
      return { pack, text: renderContextPack(pack) }
    },
    recall: (request, { signal }) => measureRecall(deps, request, signal),
    route: async ({ text, blueprint, toolset, mode }, { signal }) => {
      const blueprints = listBlueprints(deps.blueprints).map(({ plan }) => plan.name)
      const input = { text, blueprint, toolset, mode, blueprints }
      return await routeWithEndpoint(input, deps.endpoint(), signal)
    },
  }
}

async function packFor(
  deps: AdvisorDeps,
  request: ContextRequest,
  signal: AbortSignal,
): Promise<ContextPack> {
  const { workspaces, packs } = deps
  const { repo, ref, includeDirty } = request
  const source = await workspaces.openSource({ path: repo, ref, includeDirty, signal })
  const policy = policyFrom({ named: request.policyFile, found: join(source.root, POLICY_FILE) })
  const files = await workspaces.listFiles(source.store, { tree: source.tree, signal })
  const blobs = workspaces.openBlobs(source.store, signal)
  try {
    return await packs.build({
      query: request.task,
      baseTree: GitOid.parse(source.tree),
      files: files.filter(({ path }) => mayRead(policy, path)),
      readBlob: (oid) => blobs.read(oid, FILE_BYTES_MAX),
      history: {
        commit: source.commit,
        recent: () =>
          workspaces.history(source.store, {
            commit: source.commit,
            limit: CHURN_COMMITS,
            messages: false,
            signal,
          }),
      },
      budgetTokens: request.budgetTokens,
      extras: [
        ...request.logs.map(({ name, text }): PackExtra => ({ kind: 'log', name, text })),
        ...(await changesSince(deps, { request, source, policy }, signal)),
      ],
    })
  } finally {
    await blobs.close()
  }
}

function mayRead(policy: Policy, path: string): boolean {
  const resource = { kind: 'path', path, access: 'read' } as const
  const request = { capability: 'repo_read', resource, mode: 'read_only' } as const
  return evaluate(policy, { ...request, stage: 'context', subject: 'context' }).decision === 'allow'
}

/** Bytes of one file's difference that are looked at. */
const DIFF_BYTES_MAX = 64 * 1024
const DIFF_FILES_MAX = 50

/** The patch since a commit, without what policy keeps from being read. */
async function changesSince(
  { workspaces }: AdvisorDeps,
  { request, source, policy }: { request: ContextRequest; source: Source; policy: Policy },
  signal: AbortSignal,
): Promise<PackExtra[]> {
  if (request.since === undefined) return []
  const from = await workspaces.openSource({
    path: request.repo,
    ref: request.since,
    includeDirty: false,
    signal,
  })
  const trees = { from: from.tree, to: source.tree, signal }
  const changed = await workspaces.changedPaths(source.store, trees)
  const hidden = changed.some(({ path }) => !mayRead(policy, path))
  if (hidden || changed.length > DIFF_FILES_MAX) {
    const list = changed.filter(({ path }) => mayRead(policy, path))
    const text = list.map(({ status, path }) => `${status} ${path}`).join('\n')
    return [{ kind: 'diff', name: `since ${request.since}`, text }]
  }
  const { bytes } = await workspaces.diffPatch(source.store, { ...trees, maxBytes: DIFF_BYTES_MAX })
  return [{ kind: 'diff', name: `since ${request.since}`, text: bytes.toString('utf8') }]
}
