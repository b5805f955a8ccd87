/**
 * Removes what nobody answers for any more: containers and volumes with our labels whose process is
 * gone, also after a kill -9 or a power cut. What a live process holds is never touched, whichever
 * installation it belongs to; what another machine created on a shared engine, only after it has
 * expired. A container of another installation that still runs may be one that its next process goes
 * on with: it stays until it has expired, or has ended itself because nobody came.
 */
import { z } from 'zod'
import type { Log } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import { isGone } from './errors.ts'
import { OWNED_FILTER, readLabels, type SandboxLabels } from './labels.ts'
import type { OwnerState } from './process-owner.ts'

export interface Reaped {
  kind: 'container' | 'volume'
  /** Id of a container, name of a volume. */
  id: string
  run: string
  sandbox: string
  why: ReapReason
}

export type ReapReason = 'owner_dead' | 'expired'

export interface ReapOptions {
  /** Whether the one who answers for it still lives. */
  isLive(labels: SandboxLabels): OwnerState
  /** The installation that asks. */
  instance: string
  /** Epoch `ms` */
  now: number
  log: Log
  signal: AbortSignal
}

const CALL_TIMEOUT_MS = 30_000
/** At most so many removals at once: each costs the engine a moment. */
const AT_ONCE = 4
const FOUND_MAX = 10_000

const Labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((labels) => labels ?? {})
const Containers = z.array(z.object({ Id: z.string(), State: z.string().nullish(), Labels }))
const Volumes = z.object({
  Volumes: z
    .array(z.object({ Name: z.string(), Labels }))
    .nullish()
    .transform((volumes) => volumes ?? []),
})

/** Why it may be removed; `undefined` when it must stay. Pure. */
export function reapReason(
  labels: SandboxLabels,
  isRunning: boolean,
  { isLive, instance, now }: Pick<ReapOptions, 'isLive' | 'instance' | 'now'>,
): ReapReason | undefined {
  const state = isLive(labels)
  const isExpired = labels.expires < now
  if (state !== 'dead') return state === 'unknown' && isExpired ? 'expired' : undefined
  const mayGoOn = isRunning && labels.instance !== instance && !isExpired
  return mayGoOn ? undefined : 'owner_dead'
}

/** Removes and reports all of it. A removal that fails is logged and left for the next time. */
export async function reap(engine: Engine, options: ReapOptions): Promise<Reaped[]> {
  const [containers, volumes] = await Promise.all([
    findContainers(engine, options),
    findVolumes(engine, options),
  ])
  // A volume can only go after the container that uses it.
  const gone = await removeAll(engine, containers, options)
  return [...gone, ...(await removeAll(engine, volumes, options))]
}

async function findContainers(engine: Engine, options: ReapOptions): Promise<Reaped[]> {
  const answer = await engineCall(call('list containers', options), (abortSignal) =>
    engine.docker.listContainers({ all: true, filters: { label: [OWNED_FILTER] }, abortSignal }),
  )
  return Containers.parse(answer)
    .flatMap(({ Id, State, Labels }) => {
      const isRunning = State === 'running' || State === 'paused'
      return candidate('container', { id: Id, written: Labels, isRunning }, options)
    })
    .slice(0, FOUND_MAX)
}

async function findVolumes(engine: Engine, options: ReapOptions): Promise<Reaped[]> {
  const answer = await engineCall(call('list volumes', options), (abortSignal) =>
    engine.docker.listVolumes({ filters: { label: [OWNED_FILTER] }, abortSignal }),
  )
  return Volumes.parse(answer)
    .Volumes.flatMap(({ Name, Labels }) =>
      candidate('volume', { id: Name, written: Labels, isRunning: false }, options),
    )
    .slice(0, FOUND_MAX)
}

interface Found {
  id: string
  written: Record<string, string>
  isRunning: boolean
}

function candidate(
  kind: Reaped['kind'],
  { id, written, isRunning }: Found,
  options: ReapOptions,
): Reaped[] {
  const labels = readLabels(written)
  const why = labels === undefined ? undefined : reapReason(labels, isRunning, options)
  if (labels === undefined || why === undefined) return []
  return [{ kind, id, run: labels.run, sandbox: labels.sandbox, why }]
}

async function removeAll(
  engine: Engine,
  found: readonly Reaped[],
  options: ReapOptions,
): Promise<Reaped[]> {
  const waiting = [...found]
  const gone: Reaped[] = []
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (await removeOne(engine, next, options)) gone.push(next)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return gone
}

async function removeOne(engine: Engine, thing: Reaped, options: ReapOptions): Promise<boolean> {
  try {
    await engineCall(call(`remove ${thing.kind} "${thing.id}"`, options), (abortSignal) =>
      thing.kind === 'container'
        ? engine.docker.getContainer(thing.id).remove({ force: true, v: true, abortSignal })
        : engine.docker.getVolume(thing.id).remove({ force: true, abortSignal }),
    )
    return true
  } catch (error) {
    options.signal.throwIfAborted()
    // Somebody else was quicker.
    if (isGone(error)) return false
    options.log.warn(error instanceof Error ? error.message : String(error))
    return false
  }
}

function call(action: string, { signal }: ReapOptions) {
  return { action, missing: 'engine_failed', timeoutMs: CALL_TIMEOUT_MS, signal } as const
}
