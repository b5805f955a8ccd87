/**
 * Opens one sandbox: create → attach → start → hello → receipt → ready. On any failure, and on
 * cancellation, nothing of it is left on the engine or in its directory.
 */
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { hashJson, OpenExecError, type Confinement, type Log } from '../schema/index.ts'
import { bringUp, type BroughtUp } from './bring-up.ts'
import type { Engine } from './connect.ts'
import { sandboxEnv } from './container-env.ts'
import type { ContainerSpecOptions, EngineClamps } from './container-spec.ts'
import { DockerSandbox } from './docker-sandbox.ts'
import { cancelledError } from './engine-call.ts'
import { type EngineFacts, noRuntime, runtimeBroken, runtimeFor } from './engine-facts.ts'
import { greet, ownSession, type PipeSession } from './greet.ts'
import { resolveImage } from './images.ts'
import { KEPT_OWNER, writeLabels } from './labels.ts'
import { checkMounts, type SandboxMount } from './mount-check.ts'
import { requireEnforced, writeReceipt } from './receipt.ts'
import { type SandboxUser, writeSlotFiles } from './slot-files.ts'
import { removeContainer } from './start.ts'
import { containerLost } from './watch-container.ts'
import { type DiskUse, watchDisk } from './watch-disk.ts'

export interface SandboxSpec {
  /** Id of the sandbox, `sbx_…`. */
  id: string
  run: string
  /** Name of the image as a user gives it. */
  image: string
  confinement: Confinement
  /** Who owns the workspace inside; never root. */
  user: SandboxUser
  /** Workspace, private git directory, object directories. */
  mounts: readonly SandboxMount[]
  /** Directories of the host that only the orchestrator fills: sources of mounts lie in them. */
  roots: readonly string[]
  /** The repository's own object directories: mounted read-only or not at all. */
  readOnlyRoots: readonly string[]
  /** The run's own directory on the host; the sandbox keeps its user files there. */
  slot: string
  /** Adds up the workspace for the disk limits; `undefined` where nothing can be written. */
  measure: ((signal: AbortSignal) => Promise<DiskUse>) | undefined
  /** Goes on with a sandbox that is weaker than asked, and says so in the receipt. */
  acceptDegraded: boolean
  /** Called once the engine is busy starting the container, for work that can be done meanwhile. */
  meanwhile(): void
  /** For one that outlives this process: how another finds it again, and until when. */
  kept?: { key: string; expiresAt: number } | undefined
}

export interface OpenContext {
  engine: Engine
  facts(signal: AbortSignal): Promise<EngineFacts>
  supervisorVolume(signal: AbortSignal): Promise<string>
  refillSupervisorVolume(signal: AbortSignal): Promise<void>
  /** What this engine is known to refuse. */
  clamps: { current: EngineClamps }
  instance: string
  owner: string
  /** Epoch `ms` */
  now: number
  log: Log
  /** Nobody uses the sandbox any more. */
  onGone(): void
}

/** Beyond the wall-clock limit of the run, for what comes before and after it. */
const EXPIRY_GRACE_MS = 3_600_000

export async function openSandbox(
  context: OpenContext,
  spec: SandboxSpec,
  signal: AbortSignal,
): Promise<DockerSandbox> {
  const { engine } = context
  if (spec.user.uid === 0 || spec.user.gid === 0)
    throw new OpenExecError('confinement_unsupported', `Cannot open sandbox "${spec.id}" as root`)
  const directory = join(spec.slot, 'users', spec.id)
  let up: BroughtUp | undefined
  try {
    const request = await prepare(context, spec, { directory, signal })
    up = await bringUp(engine, {
      request,
      name: `openexec-${spec.id}`,
      clamps: context.clamps.current,
      refill: () => context.refillSupervisorVolume(signal),
      meanwhile: spec.meanwhile,
      signal,
    })
    context.clamps.current = up.request.clamps
    return await makeReady(context, spec, { up, directory, signal })
  } catch (error) {
    up?.stream.destroy()
    await Promise.allSettled([
      up === undefined ? undefined : removeContainer(engine, up.container.id),
      rm(directory, { recursive: true, force: true }),
    ])
    // Some failures of an aborted call are the platform's own.
    if (signal.aborted && !(error instanceof OpenExecError))
      throw cancelledError('open a sandbox', signal)
    throw up === undefined ? runtimeBroken(spec.confinement.isolation, error) : error
  }
}

/** All that must be known before the engine is asked to create; asked at the same time. */
async function prepare(
  context: OpenContext,
  spec: SandboxSpec,
  { directory, signal }: { directory: string; signal: AbortSignal },
): Promise<Omit<ContainerSpecOptions, 'clamps'>> {
  const { confinement, user } = spec
  const slotFiles = writeSlotFiles(directory, user)
  const facts = context.facts(signal)
  const [engine, image, volume, mounts] = await Promise.all([
    facts,
    resolveImage(context.engine.docker, spec.image, signal),
    context.supervisorVolume(signal),
    facts.then(({ rootDirectory }) =>
      checkMounts(spec.mounts, {
        roots: spec.roots,
        readOnlyRoots: spec.readOnlyRoots,
        owners: [user.uid, process.getuid?.() ?? user.uid],
        engineRoot: rootDirectory,
      }),
    ),
  ])
  const runtime = runtimeFor(confinement.isolation, engine)
  if (runtime === undefined) throw noRuntime(confinement.isolation, engine.runtimes)
  const labels = writeLabels({
    instance: context.instance,
    run: spec.run,
    sandbox: spec.id,
    slot: basename(spec.slot),
    expires: spec.kept?.expiresAt ?? context.now + confinement.limits.wall + EXPIRY_GRACE_MS,
    owner: spec.kept === undefined ? context.owner : KEPT_OWNER,
    confinement: hashJson(confinement),
  })
  const security = { apparmor: engine.apparmor, seccomp: engine.seccomp }
  return {
    confinement,
    image,
    user,
    mounts,
    slotFiles,
    supervisorVolume: volume,
    labels,
    runtime,
    security,
  }
}

interface Upbringing {
  up: BroughtUp
  directory: string
  signal: AbortSignal
}

async function makeReady(
  context: OpenContext,
  spec: SandboxSpec,
  { up, directory, signal }: Upbringing,
): Promise<DockerSandbox> {
  const { engine } = context
  const { request, spec: created, container } = up
  const session = sessionOf(context, spec)
  const { pipe, inspect, inside, stderrTail } = await greet(engine, up, { session, signal })
  const receipt = writeReceipt(
    { request, spec: created, inspect, inside, engine: await context.facts(signal) },
    { confinement: hashJson(spec.confinement), acceptDegraded: spec.acceptDegraded },
  )
  requireEnforced(receipt)
  const life = new AbortController()
  const sandbox: DockerSandbox = new DockerSandbox({
    id: spec.id,
    container: container.id,
    receipt,
    key: session.key,
    pipe,
    env: sandboxEnv(request.image.config.env, spec.confinement.env),
    lost: containerLost({ engine, container, pipe, stderrTail, signal: life.signal }),
    watchDisk: (measure) =>
      watchWorkspace(sandbox, spec.confinement.limits, { measure, life, log: context.log }),
    leave: () => {
      life.abort()
      up.stream.destroy()
      context.onGone()
    },
    dispose: async () => {
      life.abort()
      up.stream.destroy()
      // Whether or not it went: one that could not be removed is nobody's, and the reaper takes it.
      context.onGone()
      await removeContainer(engine, container.id)
      await rm(directory, { recursive: true, force: true })
    },
  })
  if (spec.measure !== undefined) sandbox.watchDisk(spec.measure)
  return sandbox
}

/** Its end is inside as well: a kept sandbox nobody comes back to stops when it expires. */
function sessionOf({ now }: OpenContext, { kept }: SandboxSpec): PipeSession {
  if (kept === undefined) return ownSession()
  return { key: kept.key, orphanTimeoutMs: Math.max(1, kept.expiresAt - now) }
}

/** Ends the sandbox when its workspace outgrows its limits. */
export function watchWorkspace(
  sandbox: DockerSandbox,
  limits: Confinement['limits'],
  given: { measure: NonNullable<SandboxSpec['measure']>; life: AbortController; log: Log },
): void {
  const { disk, inodes } = limits
  void watchDisk({
    measure: given.measure,
    limits,
    onLimit: (use) =>
      sandbox.fail(
        new OpenExecError(
          'sandbox_lost',
          `Cannot go on in the sandbox: its workspace holds ${use.bytes} bytes in ${use.inodes} files, allowed are ${disk} bytes in ${inodes} files`,
          {
            hint: 'Raise `limits.disk` or `limits.inodes` in the policy',
            details: { reason: 'disk_limit', ...use },
          },
        ),
      ),
    log: given.log,
    signal: given.life.signal,
  })
}
