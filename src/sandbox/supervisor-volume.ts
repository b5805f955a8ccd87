/**
 * Brings the supervisor into any image: a named volume per supervisor version, filled once from
 * our own image and mounted read-only by every sandbox. The engine copies the image's directory
 * when it creates a container on the empty volume; nothing is ever run. Several processes may fill
 * at once: the bytes in the volume are compared with the image's, and only then a second, empty
 * volume says that the first one is whole.
 */
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { extract } from 'tar-stream'
import { OpenExecError } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import { SUPERVISOR_DIRECTORY } from './container-spec.ts'
import { engineCall } from './engine-call.ts'
import { isGone, isHeld } from './errors.ts'
import { resolveImage, type ResolvedImage } from './images.ts'

export const SUPERVISOR_IMAGE = 'openexec/supervisor:latest'
const VOLUME_PREFIX = 'openexec-supervisor-'
const VOLUME_NAME = /^openexec-supervisor-[0-9a-f]{16}(?:-ready)?$/

const CALL_TIMEOUT_MS = 30_000
const COMPARE_TRIES = 8
const COMPARE_REST_MS = 250
const FILES_MAX = 64
const BYTES_MAX = 64 * 1024 * 1024

export interface SupervisorOptions {
  /** Name of the image that holds the supervisor. */
  image: string
  /** Labels of the helper containers, so that the reaper knows them. */
  labels: Readonly<Record<string, string>>
  signal: AbortSignal
}

/**
 * Name of the volume that holds the supervisor, filled where it is not yet. Throws
 * `image_not_found` when set-up has not built the image.
 */
export async function supervisorVolume(
  engine: Engine,
  options: SupervisorOptions,
): Promise<string> {
  const image = await supervisorImage(engine, options)
  const name = volumeName(image)
  if (await volumeExists(engine, readyName(image), options.signal)) return name
  const wanted = await contentOf(engine, image, { ...options, volume: undefined })
  const filling = { image, name, wanted }
  if (!(await filled(engine, filling, options))) {
    // Half full since a process was killed, or held by one that is still at it.
    await removeVolume(engine, name, options.signal).catch((error: unknown) => {
      if (!isHeld(error)) throw error
    })
    if (!(await filled(engine, filling, options)))
      throw new OpenExecError('engine_failed', `Cannot fill volume "${name}" with the supervisor`, {
        hint: `Close all sandboxes, remove it with \`docker volume rm ${name}\` and try again`,
      })
  }
  await createVolume(engine, readyName(image), options.signal)
  return name
}

/** Takes back that the volume is whole: for a start that did not find it so. */
export async function doubtSupervisorVolume(
  engine: Engine,
  options: SupervisorOptions,
): Promise<void> {
  const image = await supervisorImage(engine, options)
  await removeVolume(engine, readyName(image), options.signal)
}

/**
 * Removes the volumes of other versions that no container uses; gives their names. Whoever still
 * wants one fills it anew.
 */
export async function pruneSupervisorVolumes(
  engine: Engine,
  options: SupervisorOptions,
): Promise<string[]> {
  const { signal } = options
  const current = volumeName(await supervisorImage(engine, options))
  const found = await engineCall(call('list volumes', signal), (abortSignal) =>
    engine.docker.listVolumes({ filters: { name: [VOLUME_PREFIX] }, abortSignal }),
  )
  const gone: string[] = []
  for (const { Name } of found.Volumes) {
    if (!VOLUME_NAME.test(Name) || Name.startsWith(current)) continue
    try {
      await removeVolume(engine, Name, signal)
      gone.push(Name)
    } catch (error) {
      // In use: it goes another time.
      if (signal.aborted || !isHeld(error)) throw error
    }
  }
  return gone
}

async function supervisorImage(
  engine: Engine,
  { image, signal }: SupervisorOptions,
): Promise<ResolvedImage> {
  try {
    return await resolveImage(engine.docker, image, signal)
  } catch (cause) {
    if (!(cause instanceof OpenExecError) || cause.code !== 'image_not_found') throw cause
    throw new OpenExecError('image_not_found', cause.message, {
      hint: 'Build it with `npm run setup`',
      details: cause.details ?? {},
      cause,
    })
  }
}

function volumeName(image: ResolvedImage): string {
  return `${VOLUME_PREFIX}${image.id.replace(/^sha256:/, '').slice(0, 16)}`
}

function readyName(image: ResolvedImage): string {
  return `${volumeName(image)}-ready`
}

interface Filling {
  image: ResolvedImage
  name: string
  /** Digest of the image's directory. */
  wanted: string
}

/** Another process may be in the middle of it, so a difference is looked at more than once. */
async function filled(
  engine: Engine,
  filling: Filling,
  options: SupervisorOptions,
): Promise<boolean> {
  for (let tries = 0; tries < COMPARE_TRIES; tries++) {
    const found = await contentOf(engine, filling.image, { ...options, volume: filling.name })
    if (found === filling.wanted) return true
    await delay(COMPARE_REST_MS)
  }
  return false
}

/** Digest of the supervisor's directory in the image, or in a volume mounted over it. */
async function contentOf(
  engine: Engine,
  image: ResolvedImage,
  options: SupervisorOptions & { volume: string | undefined },
): Promise<string> {
  const { volume, signal } = options
  const mount = { Type: 'volume' as const, Source: volume ?? '', Target: SUPERVISOR_DIRECTORY }
  const container = await engineCall(
    call('create a container of the supervisor image', signal),
    () =>
      engine.docker.createContainer({
        Image: image.id,
        Entrypoint: [`${SUPERVISOR_DIRECTORY}/supervisor`],
        Labels: { ...options.labels },
        NetworkDisabled: true,
        HostConfig: { NetworkMode: 'none', Mounts: volume === undefined ? [] : [mount] },
      }),
  )
  try {
    const archive = await engineCall(call('read the supervisor', signal), (abortSignal) =>
      container.getArchive({ path: SUPERVISOR_DIRECTORY, abortSignal }),
    )
    return await digestOfTar(archive, signal)
  } finally {
    const own = AbortSignal.timeout(CALL_TIMEOUT_MS)
    await engineCall(call('remove a container of the supervisor image', own), () =>
      container.remove({ force: true, v: true }),
    )
  }
}

async function digestOfTar(archive: NodeJS.ReadableStream, signal: AbortSignal): Promise<string> {
  const files: string[] = []
  let bytes = 0
  const reader = extract()
  reader.on('entry', (header, stream, next) => {
    const hash = createHash('sha256')
    stream.on('data', (chunk) => {
      if (!(chunk instanceof Uint8Array)) return
      bytes += chunk.length
      if (bytes > BYTES_MAX || files.length > FILES_MAX)
        reader.destroy(new OpenExecError('engine_failed', 'Cannot read the supervisor: too large'))
      hash.update(chunk)
    })
    stream.on('end', () => {
      if (header.type === 'file')
        files.push(`${header.name} ${header.mode?.toString(8)} ${hash.digest('hex')}`)
      next()
    })
  })
  await pipeline(archive, reader, { signal })
  return createHash('sha256').update(files.sort().join('\n')).digest('hex')
}

async function volumeExists(engine: Engine, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await engineCall(call(`look for volume "${name}"`, signal), (abortSignal) =>
      engine.docker.getVolume(name).inspect({ abortSignal }),
    )
    return true
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

async function createVolume(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  await engineCall(call(`create volume "${name}"`, signal), (abortSignal) =>
    engine.docker.createVolume({ Name: name, Driver: 'local', abortSignal }),
  )
}

async function removeVolume(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  try {
    await engineCall(call(`remove volume "${name}"`, signal), (abortSignal) =>
      engine.docker.getVolume(name).remove({ abortSignal }),
    )
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

function call(action: string, signal: AbortSignal) {
  return { action, missing: 'engine_failed', timeoutMs: CALL_TIMEOUT_MS, signal } as const
}
