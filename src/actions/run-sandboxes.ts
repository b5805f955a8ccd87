/**
 * The sandboxes of one run: one for each confinement its stages ask for, opened on first use, all
 * removed at the end. Every life is in the timeline, every receipt an artifact.
 */
import { compileConfinement, confinementDigest, type Policy } from '../policy/index.ts'
import {
  type Confinement,
  type NewEvent,
  type NewId,
  OpenExecError,
  type Receipt,
  type RunId,
  SandboxId,
  type SandboxMode,
} from '../schema/index.ts'
import type { Sandbox, Sandboxes, SandboxSpec } from '../sandbox/index.ts'
import { insertSandbox, removeSandbox, type State } from '../state/index.ts'

export interface RunSandboxesDeps {
  sandboxes: Sandboxes
  state: State
  policy: Policy
  runId: RunId
  /** Everything of a specification that is the same for each sandbox of the run. */
  place: Omit<SandboxSpec, 'id' | 'run' | 'confinement' | 'mounts' | 'measure'>
  /** The image the run was submitted with. */
  imageId: string
  mounts(confinement: Confinement): SandboxSpec['mounts']
  measure: NonNullable<SandboxSpec['measure']>
  now(): number
  newId: NewId
  record(event: NewEvent): void
  saveReceipt(receipt: Receipt): Promise<void>
}

export interface SandboxWish {
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
}

/** Beyond the wall-clock limit of the run. */
const EXPIRY_GRACE_MS = 3_600_000

export function createRunSandboxes(deps: RunSandboxesDeps): RunSandboxes {
  const open = new Map<string, Promise<Open>>()
  return {
    async get(wish, signal) {
      const { runtimes } = await deps.sandboxes.facts({ signal })
      const confinement = compileConfinement(deps.policy, wish.mode, {
        runtimes,
        network: wish.network,
        omitsDeniedPaths: true,
      })
      const digest = confinementDigest(confinement)
      const opening = open.get(digest) ?? openOne(deps, { confinement, digest, wish }, signal)
      open.set(digest, opening)
      try {
        return (await opening).sandbox
      } catch (error) {
        open.delete(digest)
        throw error
      }
    },
    async reset() {
      const all = await Promise.allSettled(open.values())
      open.clear()
      const closed = await Promise.allSettled(
        all.flatMap((one) => (one.status === 'fulfilled' ? [closeOne(deps, one.value)] : [])),
      )
      for (const one of closed) if (one.status === 'rejected') throw one.reason
    },
  }
}

async function openOne(
  deps: RunSandboxesDeps,
  asked: { confinement: Confinement; digest: string; wish: SandboxWish },
  signal: AbortSignal,
): Promise<Open> {
  const { confinement, digest, wish } = asked
  const id = SandboxId.parse(deps.newId('sbx'))
  const createdAt = deps.now()
  const expiresAt = createdAt + confinement.limits.wall + EXPIRY_GRACE_MS
  const container = `openexec-${id}`
  // Written first: a container without a row is what a crash must never leave.
  insertSandbox(deps.state.db, { id, runId: deps.runId, container, createdAt, expiresAt })
  try {
    const sandbox = await deps.sandboxes.open(
      {
        ...deps.place,
        id,
        run: deps.runId,
        confinement,
        mounts: deps.mounts(confinement),
        measure: confinement.workspace === 'read_write' ? deps.measure : undefined,
      },
      { signal },
    )
    await refuseOtherImage(deps, sandbox)
    await tellOpened(deps, { id, sandbox, digest, wish, createdAt })
    return { id, stage: wish.stage, sandbox }
  } catch (error) {
    removeSandbox(deps.state.db, id)
    throw error
  }
}

/** A name can come to mean another image between two starts; the run's snapshot says which it is. */
async function refuseOtherImage({ imageId }: RunSandboxesDeps, sandbox: Sandbox): Promise<void> {
  const { name, id } = sandbox.receipt.image
  if (id === imageId) return
  await sandbox.close()
  throw new OpenExecError(
    'confinement_weaker',
    `Cannot use image "${name}": it is ${id}, and the run began with ${imageId}`,
    { hint: 'Start a new run, which takes the image as it is' },
  )
}

async function tellOpened(
  deps: RunSandboxesDeps,
  opened: { id: string; sandbox: Sandbox; digest: string; wish: SandboxWish; createdAt: number },
): Promise<void> {
  const { id, sandbox, digest, wish, createdAt } = opened
  const { receipt } = sandbox
  deps.record({
    type: 'sandbox_started',
    stage: wish.stage,
    payload: { mode: wish.mode, confinement: digest, image: receipt.image.name },
    volatile: { sandbox: id, image_id: receipt.image.id, took_ms: deps.now() - createdAt },
  })
  await deps.saveReceipt(receipt)
  const missing = receipt.items.filter(({ status }) => status === 'missing')
  deps.record({
    type: 'sandbox_receipt',
    stage: wish.stage,
    payload: {
      complete: receipt.complete,
      degraded: receipt.degraded,
      missing: missing.map(({ guarantee }) => guarantee),
    },
    volatile: { sandbox: id, engine: receipt.engine.version, runtime: receipt.engine.runtime },
  })
}

async function closeOne(deps: RunSandboxesDeps, { id, stage, sandbox }: Open): Promise<void> {
  const started = deps.now()
  try {
    await sandbox.close()
  } catch (cause) {
    throw new OpenExecError('engine_failed', `Cannot remove sandbox "${id}"`, {
      hint: 'Run `openexec gc` when the engine answers again',
      cause,
    })
  }
  removeSandbox(deps.state.db, id)
  deps.record({
    type: 'sandbox_removed',
    stage,
    payload: {},
    volatile: { sandbox: id, took_ms: deps.now() - started },
  })
}
