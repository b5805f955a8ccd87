/** What a run made: its result as data, its changes as text. */
import { DiffStat, exitCodeOf, type Run, type RunId, type RunResult } from '../schema/index.ts'
import { getRun, listArtifacts, listSteps, readEventsOfType } from '../state/index.ts'
import type { ObjectStore } from '../workspace/index.ts'
import { hintsOf, networkOf } from './network-result.ts'
import { quotePath } from './quote-path.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import type { DiffFormat } from './runtime.ts'

const TEXT_BYTES_MAX = 256 * 1024 * 1024
const DIFF_TIMEOUT_MS = 120_000
const NO_CHANGE: DiffStat = { files: 0, insertions: 0, deletions: 0 }

export async function resultOf(deps: RuntimeDeps, id: RunId): Promise<RunResult> {
  const { db } = deps.state
  const run = getRun(db, id)
  return {
    run: id,
    status: run.status,
    exit_code: exitCodeOf(run),
    ...(run.reason !== undefined && { reason: run.reason }),
    ...(run.detail !== undefined && { detail: run.detail }),
    stages: listSteps(db, id).flatMap((step) => {
      if (step.verdict === undefined) return []
      const { stage, attempt, verdict, reason, detail, startedAt, endedAt = startedAt } = step
      return [
        {
          id: stage,
          attempt,
          verdict,
          ...(reason !== undefined && { reason }),
          ...(detail !== undefined && { detail }),
          duration_ms: Math.max(0, endedAt - startedAt),
        },
      ]
    }),
    artifacts: listArtifacts(db, id).map(({ name, id: artifact, sha256, size }) => ({
      name,
      id: artifact,
      sha256,
      size,
    })),
    diff: await statOf(deps, run),
    ...networkOf(readEventsOfType(db, id, 'egress')),
    ...(run.status === 'failed' && hintsOf(readEventsOfType(db, id, 'command_completed'))),
  }
}

export async function diffRun(
  deps: RuntimeDeps,
  id: RunId,
  format: DiffFormat,
): Promise<{ stat: DiffStat; text: Uint8Array }> {
  const run = getRun(deps.state.db, id)
  const trees = treesOf(run)
  const stat = await statOf(deps, run)
  if (trees === undefined) return { stat, text: new Uint8Array() }
  const signal = AbortSignal.timeout(DIFF_TIMEOUT_MS)
  const store = await openStore(deps, run, signal)
  const request = { ...trees, signal }
  switch (format) {
    case 'patch': {
      const { bytes } = await deps.workspaces.diffPatch(store, {
        ...request,
        maxBytes: TEXT_BYTES_MAX,
      })
      return { stat, text: bytes }
    }
    case 'stat': {
      const { bytes } = await deps.workspaces.diffStat(store, {
        ...request,
        maxBytes: TEXT_BYTES_MAX,
      })
      return { stat, text: bytes }
    }
    case 'name-only': {
      const changes = await deps.workspaces.changedPaths(store, request)
      const lines = changes.map(({ bytes }) => `${quotePath(bytes)}\n`)
      return { stat, text: Buffer.from(lines.join('')) }
    }
    case 'summary':
      return { stat, text: Buffer.from(`${JSON.stringify(stat)}\n`) }
  }
}

/** Undefined when no file changed. */
export function treesOf({
  baseTree,
  headTree,
  request,
}: Run): { from: string; to: string } | undefined {
  // What a fork began with is part of what it brings.
  const from = request.fork?.originTree ?? baseTree
  const to = headTree ?? baseTree
  if (from === undefined || to === undefined || from === to) return undefined
  return { from, to }
}

/** As it was counted at the checkpoint, so that a run can be shown where its repository is not. */
export async function statOf(deps: RuntimeDeps, run: Run): Promise<DiffStat> {
  const trees = treesOf(run)
  if (trees === undefined) return NO_CHANGE
  const checkpoint = readEventsOfType(deps.state.db, run.id, 'checkpoint').findLast(
    ({ payload }) => payload['tree'] === trees.to,
  )
  const counted = DiffStat.safeParse(checkpoint?.payload['diff'])
  if (counted.success && run.request.fork === undefined) return counted.data
  const signal = AbortSignal.timeout(DIFF_TIMEOUT_MS)
  const store = await openStore(deps, run, signal)
  const { files, insertions, deletions } = await deps.workspaces.diffSummary(store, {
    ...trees,
    signal,
  })
  return { files, insertions, deletions }
}

async function openStore(deps: RuntimeDeps, run: Run, signal: AbortSignal): Promise<ObjectStore> {
  return await deps.workspaces.openStore(run.request.repo, signal)
}
