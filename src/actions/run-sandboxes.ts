/**
 * The sandboxes of one run: one for each confinement its stages ask for, opened on first use, all
 * removed at the end. Every life is in the timeline, every receipt an artifact.
 */
import type { Artifacts } from '../artifacts/index.ts'
import { compileConfinement, confinementDigest, networkList, type Policy } from '../policy/index.ts'
import {
  type Confinement,
  type NewEvent,
  type NewId,
  OpenExecError,
  type RunId,
  SandboxId,
  type SandboxMode,
} from '../schema/index.ts'
import type { Gateway, RunSide, Sandbox, Sandboxes, SandboxSpec } from '../sandbox/index.ts'
import { type Db, insertSandbox, keepSession, removeSandbox, type State } from '../state/index.ts'
import { tracedEgress, tracedStart } from './trace-sandbox.ts'
import { refuseOtherImage } from './same-image.ts'
import { createSandboxEgress, type SandboxEgress } from './sandbox-egress.ts'

export interface RunSandboxesDeps {
  sandboxes: Sandboxes
  gateway: Gateway
  /** Secrets of the run, and by what the gateway stands in for hosts. */
  side: RunSide
  state: State
  artifacts: Pick<Artifacts, 'put' | 'record'>
  policy: Policy
  runId: RunId
  /** Everything of a specification that is the same for each sandbox of the run. */
  place: Omit<SandboxSpec, 'id' | 'run' | 'confinement' | 'mounts' | 'measure'>
  /** The image the run was submitted with. */
  imageId: string
  /** Not used yet. */
  early: EarlySandbox | undefined
  /** One that an earlier process has opened, and in which a command goes on. */
  reattached: { digest: string; stage: string; sandbox: Sandbox } | undefined
  mounts(confinement: Confinement): SandboxSpec['mounts']
  measure: NonNullable<SandboxSpec['measure']>
  now(): number
  newId: NewId
  /** Appends within the transaction it is given. */
  append(tx: Db, events: readonly NewEvent[]): void
}

/** A sandbox that was started before anybody asked for it, as good as one that is opened. */
export interface EarlySandbox {
  id: string
  /** Of its confinement. */
  digest: string
  /** Whether it has waited in a pool. */
  warm: boolean
  /** Throws as `Sandboxes.open()` does. */
  open(signal: AbortSignal): Promise<Sandbox>
  watchDisk(measure: NonNullable<SandboxSpec['measure']>): void
  close(): Promise<void>
}

interface SandboxWish {
  mode: SandboxMode
  network: readonly string[] | undefined
  stage: string
}

export interface RunSandboxes {
  /** Throws what `Sandboxes.open()` and `compileConfinement()` throw. */
  get(wish: SandboxWish, signal: AbortSignal): Promise<Sandbox>
  /** Removes all; the next `get()` opens a fresh one. */
  reset(): Promise<void>
}

interface Open {
  id: SandboxId
  stage: string
  sandbox: Sandbox
  egress: SandboxEgress
}

/** Beyond the wall-clock limit of the run. */
const EXPIRY_GRACE_MS = 3_600_000

export function createRunSandboxes(deps: RunSandboxesDeps): RunSandboxes {
  const open = new Map<string, Promise<Open>>()
  let { early } = deps
  const write = (events: readonly NewEvent[]) =>
    deps.state.transact((tx) => deps.append(tx, events))
  if (deps.reattached !== undefined) {
    const { digest, stage, sandbox } = deps.reattached
    const egress = createSandboxEgress(sandbox, {
      gateway: deps.gateway,
      side: deps.side,
      write,
    })
    const id = SandboxId.parse(sandbox.id)
    open.set(digest, Promise.resolve({ id, stage, sandbox, egress }))
  }
  /** Handed out once, and only for what it was made for. */
  const takeEarly = (digest: string) => {
    const taken = early?.digest === digest ? early : undefined
    if (taken !== undefined) early = undefined
    return taken
  }
  return {
    async get(wish, signal) {
      const { runtimes } = await deps.sandboxes.facts({ signal })
      const confinement = compileConfinement(deps.policy, wish.mode, {
        runtimes,
        network: wish.network,
        omitsDeniedPaths: true,
      })
      const digest = confinementDigest(confinement)
      const opening =
        open.get(digest) ??
        openOne(deps, { confinement, digest, wish, early: takeEarly(digest) }, signal)
      open.set(digest, opening)
      try {
        const { egress } = await opening
        return await egress.use(networkList(deps.policy, wish))
      } catch (error) {
        // Another caller may have begun a new one meanwhile.
        if (open.get(digest) === opening) open.delete(digest)
        throw error
      }
    },
    async reset() {
      const unused = early
      early = undefined
      const all = await Promise.allSettled(open.values())
      open.clear()
      const opened = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      const started = deps.now()
      await Promise.allSettled(opened.map(({ egress }) => egress.end()))
      const closing = opened.map(({ sandbox }) => sandbox.close())
      const [ends] = await Promise.all([Promise.allSettled(closing), unused?.close()])
      const tookMs = deps.now() - started
      // In the order they were opened, so that the timeline does not depend on which is quicker.
      for (const [index, one] of opened.entries())
        if (ends[index]?.status === 'fulfilled') tellRemoved(deps, one, tookMs)
      const failed = ends.find((end) => end.status === 'rejected')
      if (failed !== undefined) throw notRemoved(failed.reason)
    },
  }
}

interface Asked {
  confinement: Confinement
  digest: string
  wish: SandboxWish
  early: EarlySandbox | undefined
}

async function openOne(deps: RunSandboxesDeps, asked: Asked, signal: AbortSignal): Promise<Open> {
  const { early, wish } = asked
  const id = SandboxId.parse(early?.id ?? deps.newId('sbx'))
  const createdAt = deps.now()
  const expiresAt = createdAt + asked.confinement.limits.wall + EXPIRY_GRACE_MS
  const container = `openexec-${id}`
  // Written first: a container without a row is what a crash must never leave.
  insertSandbox(deps.state.db, { id, runId: deps.runId, container, createdAt, expiresAt })
  let sandbox: Sandbox | undefined
  try {
    sandbox = await (early?.open(signal) ?? openCold(deps, { id, asked }, signal))
    if (asked.confinement.workspace === 'read_write') early?.watchDisk(deps.measure)
    refuseOtherImage(deps.imageId, sandbox)
    await tellOpened(deps, { id, sandbox, asked, tookMs: deps.now() - createdAt })
    const write = tracedEgress((events) => deps.state.transact((tx) => deps.append(tx, events)))
    const egress = createSandboxEgress(sandbox, { gateway: deps.gateway, side: deps.side, write })
    return { id, stage: wish.stage, sandbox, egress }
  } catch (error) {
    // One that cannot be removed keeps its row, by which it is found later.
    const isGone = await (sandbox?.close() ?? Promise.resolve()).then(
      () => true,
      () => false,
    )
    if (isGone) removeSandbox(deps.state.db, id)
    throw error
  }
}

async function openCold(
  deps: RunSandboxesDeps,
  { id, asked: { confinement } }: { id: SandboxId; asked: Asked },
  signal: AbortSignal,
): Promise<Sandbox> {
  const measure = confinement.workspace === 'read_write' ? deps.measure : undefined
  const mounts = deps.mounts(confinement)
  const spec = { ...deps.place, id, run: deps.runId, confinement, mounts, measure }
  return await tracedStart(spec, () => deps.sandboxes.open(spec, { signal }))
}

interface Opened {
  id: SandboxId
  sandbox: Sandbox
  asked: Asked
  tookMs: number
}

/** Recorded before any task code: what runs in a sandbox nobody can prove the confinement of is nothing. */
async function tellOpened(deps: RunSandboxesDeps, opened: Opened): Promise<void> {
  const { id, sandbox, asked, tookMs } = opened
  const { receipt } = sandbox
  const { stage, mode } = asked.wish
  const bound = deps.policy.secrets.map(({ name, hosts }) => ({ name, hosts }))
  const text = `${JSON.stringify(receipt, undefined, 2)}\n`
  const blob = await deps.artifacts.put(Buffer.from(text))
  const missing = receipt.items.filter(({ status }) => status === 'missing')
  const session = deps.sandboxes.sessionOf(id)
  deps.state.transact((tx) => {
    if (session !== undefined) keepSession(tx, id, { session, digest: asked.digest, stage })
    const about = { name: 'receipt', type: 'receipt', mediaType: 'application/json' } as const
    deps.artifacts.record(tx, { runId: deps.runId, ...about, blob })
    deps.append(tx, [
      {
        type: 'sandbox_started',
        stage,
        payload: { mode, confinement: asked.digest, image: receipt.image.name },
        volatile: {
          sandbox: id,
          image_id: receipt.image.id,
          took_ms: tookMs,
          warm: asked.early?.warm ?? false,
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

function tellRemoved(deps: RunSandboxesDeps, { id, stage }: Open, tookMs: number): void {
  const volatile = { sandbox: id, took_ms: tookMs }
  deps.state.transact((tx) => {
    removeSandbox(tx, id)
    deps.append(tx, [{ type: 'sandbox_removed', stage, payload: {}, volatile }])
  })
}

function notRemoved(cause: unknown): OpenExecError {
  return new OpenExecError('engine_failed', 'Cannot remove a sandbox of the run', {
    hint: 'Run `openexec gc` when the engine answers again',
    cause,
  })
}
