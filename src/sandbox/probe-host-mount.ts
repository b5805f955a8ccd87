/**
 * Whether the engine sees what this process mounts: it may live in another mount namespace, on
 * another machine, or mount sources before they were mounted here. Only a container can tell.
 */
import { randomBytes } from 'node:crypto'
import type { Engine } from './connect.ts'
import { resolveImage } from './images.ts'
import { exitOfProbe, refusedProbe } from './probe-container.ts'
import type { Probed, ProbeOptions } from './probe.ts'

/** `folder` is mounted, and holds a file `marker` that is not there below the mount. */
export async function probeHostMount(engine: Engine, options: ProbeOptions): Promise<Probed> {
  const { folder, signal } = options
  try {
    const { id: image } = await resolveImage(engine.docker, 'base', signal)
    const exitCode = await exitOfProbe(engine, options, {
      name: `openexec-probe-${randomBytes(8).toString('hex')}`,
      image,
      script: 'test -f /probe/marker',
      user: undefined,
      mount: { Type: 'bind', Source: folder, ReadOnly: true },
    })
    return exitCode === 0
      ? { has: 'yes', evidence: 'a container saw a file of an overlay mounted here' }
      : { has: 'no', evidence: 'the engine does not see what is mounted here' }
  } catch (error) {
    signal.throwIfAborted()
    return refusedProbe(error)
  }
}
