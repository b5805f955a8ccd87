/** One sandbox of a run, from what is asked to what is recorded of it. */
import { compileConfinement, confinementDigest } from '../policy/index.ts'
import { type Confinement, SandboxId } from '../schema/index.ts'
import type { InteractiveSandbox, Sandbox } from '../sandbox/index.ts'
import { insertSandbox, removeSandbox } from '../state/index.ts'
import type { EarlySandbox, RunSandboxesDeps, SandboxWish } from './run-sandboxes.ts'
import { refuseOtherImage } from './same-image.ts'
import { createSandboxEgress, type SandboxEgress } from './sandbox-egress.ts'
import { tellOpened } from './tell-sandbox.ts'
import { tracedEgress, tracedStart } from './trace-sandbox.ts'

export interface Open<Kind extends Sandbox = Sandbox> {
  id: SandboxId
  stage: string
  sandbox: Kind
  egress: SandboxEgress
}

/** Beyond the wall-clock limit of the run. */
const EXPIRY_GRACE_MS = 3_600_000

export async function confine(
  { sandboxes, policy }: RunSandboxesDeps,
  { mode, network }: SandboxWish,
  signal: AbortSignal,
): Promise<Pick<Asked, 'confinement' | 'digest'>> {
  const { runtimes } = await sandboxes.facts({ signal })
  const confinement = compileConfinement(policy, mode, {
    runtimes,
    network,
    omitsDeniedPaths: true,
  })
  return { confinement, digest: confinementDigest(confinement) }
}

interface Asked {
  confinement: Confinement
  digest: string
  wish: SandboxWish
  early: EarlySandbox | undefined
}

export async function openOne(
  deps: RunSandboxesDeps,
  asked: Asked,
  signal: AbortSignal,
): Promise<Open> {
  const { early } = asked
  if (early === undefined) return await openFresh(deps, asked, signal)
  return await openAs(deps, asked, () => early.open(signal))
}

export async function openFresh(
  deps: RunSandboxesDeps,
  asked: Asked,
  signal: AbortSignal,
): Promise<Open<InteractiveSandbox>> {
  return await openAs(deps, asked, (id) => openCold(deps, { id, asked }, signal))
}

async function openAs<Kind extends Sandbox>(
  deps: RunSandboxesDeps,
  asked: Asked,
  bring: (id: SandboxId) => Promise<Kind>,
): Promise<Open<Kind>> {
  const { early, wish } = asked
  const id = SandboxId.parse(early?.id ?? deps.newId('sbx'))
  const createdAt = deps.now()
  const expiresAt = createdAt + asked.confinement.limits.wall + EXPIRY_GRACE_MS
  const container = `openexec-${id}`
  // Written first: a container without a row is what a crash must never leave.
  insertSandbox(deps.state.db, { id, runId: deps.runId, container, createdAt, expiresAt })
  let sandbox: Kind | undefined
  try {
    sandbox = await bring(id)
    if (asked.confinement.workspace === 'read_write') early?.watchDisk(deps.measure)
    refuseOtherImage(deps, sandbox)
    const { stage, mode } = wish
    const told = { id, sandbox, stage, mode, digest: asked.digest, warm: early?.warm ?? false }
    await tellOpened(deps, { ...told, tookMs: deps.now() - createdAt })
    return { id, stage, sandbox, egress: egressOf(deps, sandbox) }
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

/** The way out of an open sandbox. */
export function egressOf(deps: RunSandboxesDeps, sandbox: Sandbox): SandboxEgress {
  const write = tracedEgress((events) => deps.state.transact((tx) => deps.append(tx, events)))
  return createSandboxEgress(sandbox, { gateway: deps.gateway, side: deps.side, write })
}

async function openCold(
  deps: RunSandboxesDeps,
  { id, asked: { confinement } }: { id: SandboxId; asked: Asked },
  signal: AbortSignal,
): Promise<InteractiveSandbox> {
  const measure = confinement.workspace === 'read_write' ? deps.measure : undefined
  const mounts = deps.mounts(confinement)
  const spec = { ...deps.place, id, run: deps.runId, confinement, mounts, measure }
  return await tracedStart(spec, () => deps.sandboxes.open(spec, { signal }))
}
