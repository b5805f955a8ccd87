/**
 * The sandboxes of one process on one engine. It remembers what need not be asked twice, knows
 * every sandbox it has opened, and answers for all of them until they are closed.
 */
import type { Clock, Log } from '../schema/index.ts'
import { NO_CLAMPS } from './bring-up.ts'
import type { Engine } from './connect.ts'
import type { DockerSandbox } from './docker-sandbox.ts'
import { engineCall } from './engine-call.ts'
import { engineFacts, type EngineFacts } from './engine-facts.ts'
import { resolveImage, type ResolvedImage } from './images.ts'
import { type SandboxLabels, writeLabels } from './labels.ts'
import { createKeptSandboxes, type KeptSandboxes } from './kept-sandboxes.ts'
import { once, type Once } from './once.ts'
import { type OpenContext, openSandbox, type SandboxSpec } from './open.ts'
import { Opened } from './opened-sandboxes.ts'
import { createOpeningGate, type OpeningGate } from './opening-gate.ts'
import type { PoolWish, WarmSandbox } from './pool-shelf.ts'
import { poolDirectory } from './pool-slots.ts'
import type { PoolStats } from './pool-stats.ts'
import { Pool, type PoolDeps, type PoolOptions } from './pool.ts'
import { type Probed, probeEngine } from './probe.ts'
import { probeHostMount } from './probe-host-mount.ts'
import { ownerState, processOwner } from './process-owner.ts'
import { reap, type Reaped } from './reap.ts'
import { reattachSandbox, type ReattachWish } from './reattach.ts'
import type { InteractiveSandbox, Sandbox } from './sandbox.ts'
import type { SandboxSession } from './session.ts'
import {
  doubtSupervisorVolume,
  pruneSupervisorVolumes,
  SUPERVISOR_IMAGE,
  type SupervisorOptions,
  supervisorVolume,
} from './supervisor-volume.ts'

export interface SandboxesDeps {
  /** Finds the engine; asked when it is first needed. */
  connect(signal: AbortSignal): Promise<Engine>
  /** Names the state directory: hash of its path. */
  instance: string
  now: Clock
  log: Log
  /** For a process that lives long: sandboxes that wait for their runs. */
  pool?: PoolOptions
}

export interface Sandboxes {
  /**
   * A ready sandbox whose receipt is complete, or accepted as it is. Throws `confinement_weaker`,
   * `confinement_unsupported`, `image_not_found`, `workspace_failed`, `sandbox_failed`,
   * `engine_failed`, `engine_unavailable`, `cancelled`; nothing is left behind then.
   */
  open(spec: SandboxSpec, options: { signal: AbortSignal }): Promise<InteractiveSandbox>
  /** By what another process finds an open sandbox again; it holds the key of its pipe. */
  sessionOf(id: string): SandboxSession | undefined
  /**
   * Goes on with a sandbox whose process has died, and with those of its commands that are named; what
   * else runs in it is killed. Throws `sandbox_lost` when it or one of them does not live any more,
   * with the container removed, and what an attach throws.
   */
  reattach(wish: ReattachWish, options: { signal: AbortSignal }): Promise<Sandbox>
  /** A warm one that is as good, if the pool has it; with its slot it is the caller's from then on. */
  claim(wish: PoolWish, options: { signal: AbortSignal }): Promise<WarmSandbox | undefined>
  /** Removes what waits in the pool for too long. */
  tidy(): Promise<void>
  /** Counters of the pool; `undefined` without one. */
  poolStats(): PoolStats | undefined
  /** Throws `image_not_found` with the way to get it. */
  image(name: string, options: { signal: AbortSignal }): Promise<ResolvedImage>
  /** Throws `engine_unavailable` or `engine_failed` when it does not answer now. */
  ping(options: { signal: AbortSignal }): Promise<void>
  /** What the engine can do. */
  facts(options: { signal: AbortSignal }): Promise<EngineFacts>
  /**
   * What can be tried on the engine and its machine, by name; `folder` is an empty directory of the
   * caller's, who removes it. Leaves nothing behind.
   */
  probe(folder: string, options: { signal: AbortSignal }): Promise<Record<string, Probed>>
  /** Whether the engine sees what is mounted on a directory with a file `marker` in it. */
  sees(directory: string, options: { signal: AbortSignal }): Promise<Probed>
  /**
   * Removes containers and volumes whose process is gone, or that this one could not remove before,
   * unless `isLive` claims them; gives what it removed.
   */
  reap(
    isLive: (labels: SandboxLabels) => boolean,
    options: { signal: AbortSignal },
  ): Promise<Reaped[]>
  /** Removes what older versions of OpenExec keep on the engine; gives the names. */
  prune(options: { signal: AbortSignal }): Promise<string[]>
  /** Those that outlive this process, in a private directory of the state. */
  kept(directory: string): KeptSandboxes
  /** Closes every sandbox that is still open, and refuses new ones. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 30_000
const FACTS_TIMEOUT_MS = 15_000
const VOLUME_TIMEOUT_MS = 120_000
const NO_SANDBOX = 'none'

export function createSandboxes(deps: SandboxesDeps): Sandboxes {
  const owner = processOwner()
  const engine = once((signal) => deps.connect(signal), { timeoutMs: CONNECT_TIMEOUT_MS })
  const facts = once(async (signal) => engineFacts(await engine.get(signal), signal), {
    timeoutMs: FACTS_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
  })
  const supervisor = supervisorOf(deps, owner, engine)
  const opened = new Opened()
  const gate = createOpeningGate()
  const openOne = (spec: SandboxSpec, signal: AbortSignal): Promise<DockerSandbox> =>
    opened.add(spec.id, signal, async (both) =>
      openSandbox(await context(spec.id, both), spec, both),
    )
  const pool = deps.pool && poolOf(deps, deps.pool, { owner, open: openOne, gate })
  const context = contextOf(deps, { owner, engine, facts, supervisor, opened })
  const stateOf = (labels: SandboxLabels) => stateOfOwned(labels, { deps, owner, opened })
  return {
    open: (spec, { signal }) => gate.pass(() => openOne(spec, signal), signal),
    sessionOf: (id) => opened.get(id)?.session,
    reattach: (wish, { signal }) =>
      opened.add(wish.session.id, signal, async (both) =>
        reattachSandbox(await context(wish.session.id, both), wish, both),
      ),
    claim: async (wish, { signal }) => pool?.claim(wish, signal),
    tidy: async () => pool?.tidy(),
    poolStats: () => pool?.stats(),
    image: async (name, { signal }) =>
      resolveImage((await engine.get(signal)).docker, name, signal),
    facts: ({ signal }) => facts.get(signal),
    ping: async ({ signal }) => pingEngine(await engine.get(signal), signal),
    probe: (folder, { signal }) => supervisor.probe(folder, signal),
    sees: async (folder, { signal }) =>
      probeHostMount(await engine.get(signal), {
        folder,
        labels: helperLabels(deps, owner),
        signal,
      }),
    reap: async (isLive, { signal }) =>
      reap(await engine.get(signal), {
        isLive: (labels) => (isLive(labels) ? 'alive' : stateOf(labels)),
        instance: deps.instance,
        now: deps.now(),
        log: deps.log,
        signal,
      }),
    prune: ({ signal }) => supervisor.prune(signal),
    kept: (root) => createKeptSandboxes({ root, context, now: deps.now }),
    close: async () => {
      const [, closed] = await Promise.allSettled([pool?.close(), opened.close()])
      if (closed.status === 'rejected') throw closed.reason
    },
  }
}

interface Shared {
  owner: string
  engine: Once<Engine>
  facts: Once<EngineFacts>
  supervisor: ReturnType<typeof supervisorOf>
  opened: Opened
}

/** What opening one sandbox needs of the process; what an engine refuses is learnt once. */
function contextOf({ instance, now, log }: SandboxesDeps, shared: Shared) {
  const { owner, engine, facts, supervisor, opened } = shared
  const clamps = { current: NO_CLAMPS }
  return async (id: string, signal: AbortSignal): Promise<OpenContext> => ({
    engine: await engine.get(signal),
    facts: facts.get,
    supervisorVolume: supervisor.volume,
    refillSupervisorVolume: supervisor.refill,
    clamps,
    instance,
    owner,
    now: now(),
    log,
    onGone: () => opened.delete(id),
  })
}

/** What it once told says nothing about now. */
async function pingEngine({ docker }: Engine, signal: AbortSignal): Promise<void> {
  const call = { action: 'reach the engine', missing: 'engine_failed', signal } as const
  await engineCall({ ...call, timeoutMs: FACTS_TIMEOUT_MS }, () => docker.ping())
}

function poolOf(
  { now, log }: SandboxesDeps,
  options: PoolOptions,
  { owner, open, gate }: { owner: string; open: PoolDeps['open']; gate: OpeningGate },
): Pool {
  const directory = poolDirectory(options.directory, owner)
  return new Pool({ now, log, options, directory, open, isBusy: () => gate.busy > 0 })
}

/** The volume all sandboxes have their supervisor from. */
function supervisorOf(deps: SandboxesDeps, owner: string, engine: Once<Engine>) {
  const options = (signal: AbortSignal): SupervisorOptions => ({
    image: SUPERVISOR_IMAGE,
    labels: helperLabels(deps, owner),
    signal,
  })
  const volume = once(
    async (signal) => supervisorVolume(await engine.get(signal), options(signal)),
    { timeoutMs: VOLUME_TIMEOUT_MS },
  )
  return {
    volume: volume.get,
    async refill(signal: AbortSignal): Promise<void> {
      await doubtSupervisorVolume(await engine.get(signal), options(signal))
      volume.forget()
      await volume.get(signal)
    },
    probe: async (folder: string, signal: AbortSignal) =>
      probeEngine(await engine.get(signal), { ...options(signal), folder }),
    prune: async (signal: AbortSignal) =>
      pruneSupervisorVolumes(await engine.get(signal), options(signal)),
  }
}

/** Whether somebody still answers for it. */
function stateOfOwned(
  labels: SandboxLabels,
  { deps, owner, opened }: { deps: SandboxesDeps; owner: string; opened: Opened },
): ReturnType<typeof ownerState> {
  const isOwn = labels.owner === owner && labels.instance === deps.instance
  // What this process could not remove itself, because the engine was gone just then.
  if (isOwn && labels.sandbox !== NO_SANDBOX) return opened.has(labels.sandbox) ? 'alive' : 'dead'
  return ownerState(labels.owner)
}

/** For containers that only help to prepare: never started, gone in a moment. */
function helperLabels({ instance, now }: SandboxesDeps, owner: string): Record<string, string> {
  const none = { run: 'none', sandbox: NO_SANDBOX, slot: 'none', confinement: 'none' }
  return writeLabels({ ...none, instance, owner, expires: now() + 3_600_000 })
}
