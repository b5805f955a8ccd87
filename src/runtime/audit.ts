/** Whether the record of a run is what was written: both chains, the copy, the content of artifacts. */
import { loadFrozenRun, replayRun } from '../blueprint/index.ts'
import {
  type AuditReport,
  type Event,
  OpenExecError,
  type ReplayReport,
  type RunId,
} from '../schema/index.ts'
import { getRun, listArtifacts } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { hasEnded } from './execute.ts'

const BATCH_SIZE = 500
const ARTIFACT_BYTES_MAX = 256 * 1024 * 1024

export async function auditRun(deps: RuntimeDeps, id: RunId): Promise<AuditReport> {
  const { timeline, state } = deps
  const run = getRun(state.db, id)
  const { ok, verified, complete, firstBad, problem, replayHash, auditHash } = timeline.verify(id)
  const copy = timeline.verifyCopy(id)
  const artifacts = await damagedArtifacts(deps, id)
  const problems = [
    ...(ok ? [] : [`Event ${firstBad}: ${problem}`]),
    ...(hasEnded(run) && ok && !complete
      ? ['The run has ended, and its last event is missing']
      : []),
    ...(copy === undefined || copy.ok
      ? []
      : [`timeline.jsonl, line ${copy.firstBad}: ${copy.problem}`]),
    ...(hasEnded(run) && copy?.behind === true
      ? [`timeline.jsonl ends after line ${copy.verified}`]
      : []),
    ...artifacts.damaged.map((name) => `Artifact "${name}" is not what was stored`),
  ]
  return {
    run: id,
    ok: problems.length === 0,
    events: verified,
    complete,
    replay_hash: replayHash,
    audit_hash: auditHash,
    copy_lines: copy?.verified ?? 0,
    artifacts: artifacts.count,
    problems,
  }
}

/** Reading checks the content against its sha256. */
async function damagedArtifacts(
  { artifacts, state }: RuntimeDeps,
  id: RunId,
): Promise<{ count: number; damaged: string[] }> {
  const all = listArtifacts(state.db, id)
  const damaged: string[] = []
  for (const { id: artifact, name } of all)
    try {
      await artifacts.read(artifact, { maxBytes: ARTIFACT_BYTES_MAX })
    } catch (error) {
      if (!(error instanceof OpenExecError)) throw error
      damaged.push(name)
    }
  return { count: all.length, damaged }
}

/** Throws `conflict` while the run goes on, `state_corrupt` for what was frozen and is damaged. */
export async function replayOf(deps: RuntimeDeps, id: RunId): Promise<ReplayReport> {
  const { state, timeline, artifacts } = deps
  const run = getRun(state.db, id)
  if (run.status === 'running' || run.status === 'queued')
    throw new OpenExecError('conflict', `Cannot replay run "${id}": it is ${run.status}`, {
      hint: `Look at it with \`openexec show ${id}\``,
    })
  const events: Event[] = []
  for (;;) {
    const batch = timeline.read(id, { after: events.length, limit: BATCH_SIZE })
    if (batch.length === 0) break
    events.push(...batch)
  }
  const report = await replayRun({
    run,
    frozen: await loadFrozenRun(artifacts, run),
    events,
    artifacts: listArtifacts(state.db, id),
    read: (artifact) => artifacts.read(artifact.id, { maxBytes: ARTIFACT_BYTES_MAX }),
    redact: (text) => deps.redact(text),
  })
  const { replayHash, ...rest } = report
  return { run: id, ...rest, replay_hash: replayHash }
}
