/**
 * The sandboxes of one process on one engine. It remembers what need not be asked twice, knows
 * every sandbox it has opened, and answers for all of them until they are closed.
 */
import { type Clock, type Log, OpenExecError } from '../schema/index.ts'
import { NO_CLAMPS } from './bring-up.ts'
import type { Engine } from './connect.ts'
import { cancelledError } from './engine-call.ts'
import { engineFacts, type EngineFacts } from './engine-facts.ts'
import { resolveImage, type ResolvedImage } from './images.ts'
import { type SandboxLabels, writeLabels } from './labels.ts'
import { once } from './once.ts'
import { type OpenContext, openSandbox, type SandboxSpec } from './open.ts'
import { ownerState, processOwner } from './process-owner.ts'
import { reap, type Reaped } from './reap.ts'
import type { Sandbox } from './sandbox.ts'
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
}

export interface Sandboxes {
  /**
   * A ready sandbox whose receipt is complete, or accepted as it is. Throws `confinement_weaker`,
   * `confinement_unsupported`, `image_not_found`, `workspace_failed`, `sandbox_failed`,
   * `engine_failed`, `engine_unavailable`, `cancelled`; nothing is left behind then.
   */
  open(spec: SandboxSpec, options: { signal: AbortSignal }): Promise<Sandbox>
  /** Throws `image_not_found` with the way to get it. */
  image(name: string, options: { signal: AbortSignal }): Promise<ResolvedImage>
  /** What the engine can do. */
  facts(options: { signal: AbortSignal }): Promise<EngineFacts>
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
  const supervisor = (signal: AbortSignal): SupervisorOptions => ({
    image: SUPERVISOR_IMAGE,
    labels: helperLabels(deps, owner),
    signal,
  })
  const volume = once(
    async (signal) => supervisorVolume(await engine.get(signal), supervisor(signal)),
    { timeoutMs: VOLUME_TIMEOUT_MS },
  )
  const clamps = { current: NO_CLAMPS }
  const opened = new Opened()
  const context = async (id: string, signal: AbortSignal): Promise<OpenContext> => ({
    engine: await engine.get(signal),
    facts: facts.get,
    supervisorVolume: volume.get,
    refillSupervisorVolume: async (given) => {
      await doubtSupervisorVolume(await engine.get(given), supervisor(given))
      volume.forget()
      await volume.get(given)
    },
    clamps,
    instance: deps.instance,
    owner,
    now: deps.now(),
    log: deps.log,
    onGone: () => opened.delete(id),
  })
  return {
    open: (spec, { signal }) =>
      opened.add(spec.id, signal, async (both) =>
        openSandbox(await context(spec.id, both), spec, both),
      ),
    image: async (name, { signal }) =>
      resolveImage((await engine.get(signal)).docker, name, signal),
    facts: ({ signal }) => facts.get(signal),
    reap: async (isLive, { signal }) =>
      reap(await engine.get(signal), {
        isLive: (labels) => {
          if (isLive(labels)) return 'alive'
          const isOwn = labels.owner === owner && labels.instance === deps.instance
          // What this process could not remove itself, because the engine was gone just then.
          if (isOwn && labels.sandbox !== NO_SANDBOX)
            return opened.has(labels.sandbox) ? 'alive' : 'dead'
          return ownerState(labels.owner)
        },
        now: deps.now(),
        log: deps.log,
        signal,
      }),
    prune: async ({ signal }) =>
      pruneSupervisorVolumes(await engine.get(signal), supervisor(signal)),
    close: () => opened.close(),
  }
}

/** For containers that only help to prepare: never started, gone in a moment. */
function helperLabels({ instance, now }: SandboxesDeps, owner: string): Record<string, string> {
  const none = { run: 'none', sandbox: NO_SANDBOX, slot: 'none', confinement: 'none' }
  return writeLabels({ ...none, instance, owner, expires: now() + 3_600_000 })
}

/** Every sandbox of this process, also those that are still being opened. */
class Opened {
  #closing = new AbortController()
  #opening = new Map<string, Promise<Sandbox>>()
  #open = new Map<string, Sandbox>()

  async add(
    id: string,
    signal: AbortSignal,
    open: (signal: AbortSignal) => Promise<Sandbox>,
  ): Promise<Sandbox> {
    if (this.#closing.signal.aborted) throw cancelledError('open a sandbox', this.#closing.signal)
    const opening = open(AbortSignal.any([signal, this.#closing.signal]))
    this.#opening.set(id, opening)
    try {
      const sandbox = await opening
      this.#open.set(id, sandbox)
      return sandbox
    } finally {
      this.#opening.delete(id)
    }
  }

  has(id: string): boolean {
    return this.#opening.has(id) || this.#open.has(id)
  }

  delete(id: string): void {
    this.#open.delete(id)
  }

  async close(): Promise<void> {
    this.#closing.abort(new OpenExecError('cancelled', 'Cannot open a sandbox: OpenExec is ending'))
    await Promise.allSettled(this.#opening.values())
    const closed = await Promise.allSettled([...this.#open.values()].map((one) => one.close()))
    const failures = closed.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    if (failures.length === 0) return
    throw new OpenExecError('engine_failed', `Cannot remove ${failures.length} sandboxes`, {
      hint: 'Run `openexec gc` when the engine answers again',
      cause: new AggregateError(failures),
    })
  }
}
