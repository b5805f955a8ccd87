/** What the timeline and the store are told of the sandboxes of a run. */
import type { Artifacts } from '../artifacts/index.ts'
import type { Policy } from '../policy/index.ts'
import type { NewEvent, RunId, SandboxId, SandboxMode } from '../schema/index.ts'
import type { Sandbox, Sandboxes } from '../sandbox/index.ts'
import { type Db, keepSession, removeSandbox, type State } from '../state/index.ts'

interface TellDeps {
  state: State
  sandboxes: Pick<Sandboxes, 'sessionOf'>
  policy: Pick<Policy, 'secrets'>
  artifacts: Pick<Artifacts, 'put' | 'record'>
  runId: RunId
  append(tx: Db, events: readonly NewEvent[]): void
}

interface Opened {
  id: SandboxId
  sandbox: Sandbox
  stage: string
  mode: SandboxMode
  /** Of its confinement. */
  digest: string
  warm: boolean
  tookMs: number
}

/** Recorded before any task code: what runs in a sandbox nobody can prove the confinement of is nothing. */
export async function tellOpened(deps: TellDeps, opened: Opened): Promise<void> {
  const { id, sandbox, stage, mode, digest, warm, tookMs } = opened
  const { receipt } = sandbox
  const bound = deps.policy.secrets.map(({ name, hosts }) => ({ name, hosts }))
  const text = `${JSON.stringify(receipt, undefined, 2)}\n`
  const blob = await deps.artifacts.put(Buffer.from(text))
  const missing = receipt.items.filter(({ status }) => status === 'missing')
  const session = deps.sandboxes.sessionOf(id)
  deps.state.transact((tx) => {
    if (session !== undefined) keepSession(tx, id, { session, digest, stage })
    const about = { name: 'receipt', type: 'receipt', mediaType: 'application/json' } as const
    deps.artifacts.record(tx, { runId: deps.runId, ...about, blob })
    deps.append(tx, [
      {
        type: 'sandbox_started',
        stage,
        payload: { mode, confinement: digest, image: receipt.image.name },
        volatile: {
          sandbox: id,
          image_id: receipt.image.id,
          took_ms: tookMs,
          warm,
        },
      },
      {
        type: 'sandbox_receipt',
        stage,
        payload: {
          complete: receipt.complete,
          degraded: receipt.degraded,
          missing: missing.map(({ guarantee }) => guarantee),
          // What the gateway attaches, and where; names alone.
          ...(bound.length > 0 && { secrets: bound }),
        },
        volatile: {
          sandbox: id,
          sha256: blob.sha256,
          engine: receipt.engine.version,
          runtime: receipt.engine.runtime,
        },
      },
    ])
  })
}

export function tellRemoved(
  deps: Pick<TellDeps, 'state' | 'append'>,
  { id, stage }: { id: SandboxId; stage: string },
  tookMs: number,
): void {
  const volatile = { sandbox: id, took_ms: tookMs }
  deps.state.transact((tx) => {
    removeSandbox(tx, id)
    deps.append(tx, [{ type: 'sandbox_removed', stage, payload: {}, volatile }])
  })
}
