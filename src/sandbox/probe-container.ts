/** A container that looks at something mounted at `/probe` and ends; it is gone whatever happens. */
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import type { Probed, ProbeOptions } from './probe.ts'
import { removeContainer } from './start.ts'

interface ProbeContainer {
  /** Of the container on the engine. */
  name: string
  /** Id of the image. */
  image: string
  /** For `/bin/sh`. */
  script: string
  /** The image's own when undefined. */
  user: string | undefined
  mount: { Type: 'bind' | 'volume'; Source: string; ReadOnly: boolean }
}

const CALL_TIMEOUT_MS = 20_000
const Exit = z.object({ StatusCode: z.number() })

/** Runs the script; gives its exit code. Throws what a call to the engine throws. */
export async function exitOfProbe(
  engine: Engine,
  { labels, signal }: Pick<ProbeOptions, 'labels' | 'signal'>,
  { name, image, script, user, mount }: ProbeContainer,
): Promise<number> {
  const container = await engineCall(probeCall('create a probe container', signal), (abortSignal) =>
    engine.docker.createContainer({
      name,
      Image: image,
      Entrypoint: ['/bin/sh', '-c', script],
      Cmd: [],
      ...(user !== undefined && { User: user }),
      Labels: { ...labels },
      HostConfig: {
        NetworkMode: 'none',
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true'],
        ReadonlyRootfs: true,
        LogConfig: { Type: 'none', Config: {} },
        Mounts: [{ ...mount, Target: '/probe' }],
      },
      abortSignal,
    }),
  )
  try {
    await engineCall(probeCall('start a probe container', signal), (abortSignal) =>
      container.start({ abortSignal }),
    )
    const ended = await engineCall(probeCall('wait for a probe container', signal), (abortSignal) =>
      container.wait({ abortSignal }),
    )
    return Exit.parse(ended).StatusCode
  } finally {
    // One that stays has labels, and the reaper finds it.
    await removeContainer(engine, container.id).catch(() => {})
  }
}

export function probeCall(action: string, signal: AbortSignal) {
  return { action, missing: 'engine_failed', timeoutMs: CALL_TIMEOUT_MS, signal } as const
}

/** What an engine that refuses says of itself. */
export function refusedProbe(error: unknown): Probed {
  if (!(error instanceof OpenExecError)) throw error
  const { cause } = error
  const said = cause instanceof Error ? cause.message : error.message
  const has = error.code === 'image_not_found' ? 'unknown' : 'no'
  return { has, evidence: said.replaceAll(/\s+/g, ' ').slice(0, 200) }
}
