/**
 * Tries what an engine and its machine can do beyond what every sandbox needs: with real volumes in
 * real containers, which are gone afterwards, because an engine's word is not evidence. Nothing of
 * the machine is changed.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import { engineGet } from './engine-get.ts'
import { resolveImage } from './images.ts'
import { exitOfProbe, probeCall, refusedProbe } from './probe-container.ts'
import { probeLoopMount } from './probe-loop-mount.ts'

export interface Probed {
  has: 'yes' | 'no' | 'unknown'
  evidence: string
}

export interface ProbeOptions {
  /** Directory of the caller's own, seen by the engine under the same path. */
  folder: string
  labels: Readonly<Record<string, string>>
  signal: AbortSignal
}

const CALL_TIMEOUT_MS = 20_000

/** By name. What cannot be tried is `unknown`, with the reason. */
export async function probeEngine(
  engine: Engine,
  options: ProbeOptions,
): Promise<Record<string, Probed>> {
  const [overlay, tmpfs, loop, programs] = await Promise.all([
    probeOverlay(engine, options),
    probeTmpfs(engine, options),
    probeLoopMount(join(options.folder, 'loop'), options.signal),
    enginePrograms(engine, options.signal),
  ])
  return {
    local_engine: {
      has: engine.endpoint.startsWith('unix://') ? 'yes' : 'no',
      evidence: `${engine.kind} at ${engine.endpoint} (${engine.source})`,
    },
    overlay_volumes: overlay,
    tmpfs_volume_quota: tmpfs,
    loop_mount: loop,
    ...programs,
  }
}

/** A workspace over an immutable checkout: written files must land in the upper directory only. */
async function probeOverlay(engine: Engine, options: ProbeOptions): Promise<Probed> {
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => {
    const path = join(options.folder, name)
    mkdirSync(path, { recursive: true })
    return path
  })
  const written = join(upper ?? '', 'written')
  return await inVolume(engine, options, {
    driver: {
      type: 'overlay',
      device: 'overlay',
      o: `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
    },
    script: 'echo x > /probe/written',
    judge: (exitCode) =>
      exitCode === 0 && existsSync(written) && !existsSync(join(lower ?? '', 'written'))
        ? { has: 'yes', evidence: 'a file written to the volume landed in its upper directory' }
        : { has: 'no', evidence: `writing to such a volume ended with exit code ${exitCode}` },
  })
}

const TOO_MUCH = 'dd if=/dev/zero of=/probe/f bs=65536 count=32 2>/dev/null'

async function probeTmpfs(engine: Engine, options: ProbeOptions): Promise<Probed> {
  return await inVolume(engine, options, {
    driver: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,nr_inodes=16' },
    script: `${TOO_MUCH} && exit 3; test "$(stat -c %s /probe/f)" -le 1048576 || exit 4`,
    judge: (exitCode) =>
      exitCode === 0
        ? { has: 'yes', evidence: 'a volume of 1 MiB took no more of 2 MiB' }
        : { has: 'no', evidence: `writing 2 MiB to a volume of 1 MiB: exit code ${exitCode}` },
  })
}

interface VolumeProbe {
  /** Options of the engine's own volume driver. */
  driver: Record<string, string>
  script: string
  judge(exitCode: number): Probed
}

async function inVolume(
  engine: Engine,
  options: ProbeOptions,
  probe: VolumeProbe,
): Promise<Probed> {
  const { labels, signal } = options
  const name = `openexec-probe-${randomBytes(8).toString('hex')}`
  try {
    const { id: image } = await resolveImage(engine.docker, 'base', signal)
    await engineCall(probeCall('create a probe volume', signal), (abortSignal) =>
      engine.docker.createVolume({
        Name: name,
        Driver: 'local',
        DriverOpts: probe.driver,
        Labels: { ...labels },
        abortSignal,
      }),
    )
    // The volume has the name of the container.
    const mount = { Type: 'volume', Source: name, ReadOnly: false } as const
    const { script } = probe
    return probe.judge(
      await exitOfProbe(engine, options, { name, image, script, user: '0:0', mount }),
    )
  } catch (error) {
    signal.throwIfAborted()
    return refusedProbe(error)
  } finally {
    // What is left when the engine goes away meanwhile has labels, and the reaper finds it.
    await engine.docker
      .getVolume(name)
      .remove()
      .catch(() => {})
  }
}

const Info = z.object({ Driver: z.string().nullish() })
const Version = z.object({
  Components: z.array(z.object({ Name: z.string(), Version: z.string().nullish() })).nullish(),
})

/** From these on, nothing known lets a container out through a descriptor or a masked path. */
const RUNC_FIXED: Readonly<Record<string, number>> = { '1.2': 8, '1.3': 3 }

/** A distribution may have mended an older version, which its number does not tell. */
export function judgeRunc(version: string | undefined): Probed {
  const [, line = '', patch = ''] = /^v?(\d+\.\d+)\.(\d+)/.exec(version ?? '') ?? []
  if (version === undefined || line === '') return { has: 'unknown', evidence: 'it is not told' }
  const [major = 0, minor = 0] = line.split('.').map(Number)
  const fixed = RUNC_FIXED[line]
  const isNew = major > 1 || minor > 3 || (fixed !== undefined && Number(patch) >= fixed)
  const wanted = '1.2.8, 1.3.3 or 1.4'
  return isNew
    ? { has: 'yes', evidence: `runc ${version}` }
    : {
        has: 'unknown',
        evidence: `runc ${version}, fixed in ${wanted}; a distribution may have mended it`,
      }
}

async function enginePrograms(
  engine: Engine,
  signal: AbortSignal,
): Promise<Record<string, Probed>> {
  const limits = { timeoutMs: CALL_TIMEOUT_MS, signal }
  const [info, version] = await Promise.all([
    engineGet(engine.docker, '/info', limits).then((answer) => Info.parse(answer)),
    engineGet(engine.docker, '/version', limits).then((answer) => Version.parse(answer)),
  ])
  const runc = version.Components?.find(({ Name }) => Name === 'runc')?.Version
  return {
    copy_on_write_images: {
      has: info.Driver === 'vfs' ? 'no' : 'yes',
      evidence: `storage driver ${info.Driver ?? 'unknown'}`,
    },
    runc_fixes: judgeRunc(runc ?? undefined),
  }
}
