/**
 * Starts a container, with two second chances that cost nothing where all is well: the volume with
 * the supervisor may have been emptied by hand, and an engine that lacks CAP_SYS_RESOURCE cannot
 * set some limits, all of which then hold in a tighter form and are said in the receipt.
 */
import type { Engine } from './connect.ts'
import { type ContainerSpec, containerSpec } from './container-spec.ts'
import type { ContainerSpecOptions, EngineClamps } from './container-spec.ts'
import { isStartRefused, startContainer, type StartedContainer } from './start.ts'

export interface BringUpOptions {
  /** Everything but what this engine refuses. */
  request: Omit<ContainerSpecOptions, 'clamps'>
  name: string
  /** What this engine is known to refuse. */
  clamps: EngineClamps
  /** Fills the volume with the supervisor anew. */
  refill(): Promise<void>
  /** See `StartOptions`. */
  meanwhile(): void
  signal: AbortSignal
}

export interface BroughtUp extends StartedContainer {
  request: ContainerSpecOptions
  spec: ContainerSpec
}

export const NO_CLAMPS: EngineClamps = { inheritNofile: false, oomScoreAdjMax: false }
const ALL_CLAMPS: EngineClamps = { inheritNofile: true, oomScoreAdjMax: true }

/** Throws what `startContainer` throws. The clamps that were needed are in `request`. */
export async function bringUp(engine: Engine, options: BringUpOptions): Promise<BroughtUp> {
  const attempt = async (clamps: EngineClamps): Promise<BroughtUp> => {
    const request = { ...options.request, clamps }
    const spec = containerSpec(request)
    return { ...(await startContainer(engine, spec, options)), request, spec }
  }
  try {
    return await attempt(options.clamps)
  } catch (refused) {
    if (!isStartRefused(refused)) throw refused
    await options.refill()
    return await attempt(options.clamps).catch(() =>
      attempt(ALL_CLAMPS).catch(() => {
        // What was asked for in the first place says best what is wrong.
        throw refused
      }),
    )
  }
}
