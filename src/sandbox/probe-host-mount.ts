/**
 * Whether the engine sees what this process mounts: it may live in another mount namespace, on
 * another machine, or mount sources before they were mounted here. Only a container can tell.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import { resolveImage } from './images.ts'
import type { Probed, ProbeOptions } from './probe.ts'
import { removeContainer } from './start.ts'

const CALL_TIMEOUT_MS = 20_000
const Exit = z.object({ StatusCode: z.number() })

/** `folder` is mounted, and holds a file `marker` that is not there below the mount. */
export async function probeHostMount(
  engine: Engine,
  { folder, labels, signal }: ProbeOptions,
): Promise<Probed> {
  const call = (action: string) =>
    ({ action, missing: 'engine_failed', timeoutMs: CALL_TIMEOUT_MS, signal }) as const
  let id: string | undefined
  try {
    const { id: image } = await resolveImage(engine.docker, 'base', signal)
    const container = await engineCall(call('create a probe container'), (abortSignal) =>
      engine.docker.createContainer({
        name: `openexec-probe-${randomBytes(8).toString('hex')}`,
        Image: image,
        Entrypoint: ['/bin/sh', '-c', 'test -f /probe/marker'],
        Cmd: [],
        Labels: { ...labels },
        HostConfig: {
          NetworkMode: 'none',
          CapDrop: ['ALL'],
          SecurityOpt: ['no-new-privileges:true'],
          ReadonlyRootfs: true,
          LogConfig: { Type: 'none', Config: {} },
          Mounts: [{ Type: 'bind', Source: folder, Target: '/probe', ReadOnly: true }],
        },
        abortSignal,
      }),
    )
    id = container.id
    await engineCall(call('start a probe container'), (abortSignal) =>
      container.start({ abortSignal }),
    )
    const { StatusCode } = Exit.parse(
      await engineCall(call('wait for a probe container'), (abortSignal) =>
        container.wait({ abortSignal }),
      ),
    )
    return StatusCode === 0
      ? { has: 'yes', evidence: 'a container saw a file of an overlay mounted here' }
      : { has: 'no', evidence: 'the engine does not see what is mounted here' }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof OpenExecError)) throw error
    const said = error.cause instanceof Error ? error.cause.message : error.message
    const has = error.code === 'image_not_found' ? 'unknown' : 'no'
    return { has, evidence: said.replaceAll(/\s+/g, ' ').slice(0, 200) }
  } finally {
    // One that stays has labels, and the reaper finds it.
    if (id !== undefined) await removeContainer(engine, id).catch(() => {})
  }
}
