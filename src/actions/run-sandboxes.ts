/**
 * The sandboxes of one run: one for each confinement its stages ask for, opened on first use, all
 * removed at the end. Every life is in the timeline, every receipt an artifact.
 */
import type { Artifacts } from '../artifacts/index.ts'
import { networkList, type Policy } from '../policy/index.ts'
import {
  type Confinement,
  type NewEvent,
  type NewId,
  OpenExecError,
  type RunId,
  SandboxId,
  type SandboxMode,
} from '../schema/index.ts'
import type {
  Gateway,
  InteractiveSandbox,
  RunSide,
  Sandbox,
  Sandboxes,
  SandboxSpec,
} from '../sandbox/index.ts'
import type { Db, State } from '../state/index.ts'
import { confine, egressOf, type Open, openFresh, openOne } from './open-run-sandbox.ts'
import { tellRemoved } from './tell-sandbox.ts'

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

export interface SandboxWish {
  mode: SandboxMode
  network: readonly string[] | undefined
  stage: string
}

export interface RunSandboxes {
  /** Throws what `Sandboxes.open()` and `compileConfinement()` throw. */
  get(wish: SandboxWish, signal: AbortSignal): Promise<Sandbox>
  /** One for this name alone, never shared and never warm. Throws as `get()` does. */
  own(wish: SandboxWish & { name: string }, signal: AbortSignal): Promise<InteractiveSandbox>
  /** Removes all; the next `get()` opens a fresh one. */
  reset(): Promise<void>
}

export function createRunSandboxes(deps: RunSandboxesDeps): RunSandboxes {
  const open = new Map<string, Promise<Open>>()
  const owned = new Map<string, Promise<Open<InteractiveSandbox>>>()
  let { early } = deps
  if (deps.reattached !== undefined) {
    const { digest, stage, sandbox } = deps.reattached
    const id = SandboxId.parse(sandbox.id)
    open.set(digest, Promise.resolve({ id, stage, sandbox, egress: egressOf(deps, sandbox) }))
  }
  /** Handed out once, and only for what it was made for. */
  const takeEarly = (digest: string) => {
    const taken = early?.digest === digest ? early : undefined
    if (taken !== undefined) early = undefined
    return taken
  }
  return {
    async get(wish, signal) {
      const { confinement, digest } = await confine(deps, wish, signal)
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
    own: (wish, signal) => ownOne(deps, { owned, wish }, signal),
    async reset() {
      const unused = early
      early = undefined
      const all = await Promise.allSettled([...open.values(), ...owned.values()])
      open.clear()
      owned.clear()
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

/** Beside those that stages share: another key, and never a warm one. */
async function ownOne(
  deps: RunSandboxesDeps,
  {
    owned,
    wish: { name, ...wish },
  }: {
    owned: Map<string, Promise<Open<InteractiveSandbox>>>
    wish: SandboxWish & { name: string }
  },
  signal: AbortSignal,
): Promise<InteractiveSandbox> {
  const { confinement, digest } = await confine(deps, wish, signal)
  const key = `${digest} ${name}`
  const opening =
    owned.get(key) ?? openFresh(deps, { confinement, digest, wish, early: undefined }, signal)
  owned.set(key, opening)
  try {
    const { egress, sandbox } = await opening
    await egress.use(networkList(deps.policy, wish))
    return sandbox
  } catch (error) {
    if (owned.get(key) === opening) owned.delete(key)
    throw error
  }
}

function notRemoved(cause: unknown): OpenExecError {
  return new OpenExecError('engine_failed', 'Cannot remove a sandbox of the run', {
    hint: 'Run `openexec gc` when the engine answers again',
    cause,
  })
}
