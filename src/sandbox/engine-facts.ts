/**
 * What this engine can really do. Engines ignore limits they cannot
 * enforce without a word (rootless on cgroup v1), so what they say of themselves is read before a
 * sandbox is promised, and the receipt measures it again from inside.
 */
import { z } from 'zod'
import { type Isolation, OpenExecError } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import { engineGet } from './engine-get.ts'

export interface EngineFacts {
  version: string
  api: string
  rootless: boolean
  userNamespaces: boolean
  cgroupVersion: 1 | 2
  seccomp: boolean
  apparmor: boolean
  selinux: boolean
  /** Which limits the engine says it can enforce. */
  limits: { memory: boolean; swap: boolean; pids: boolean; cpu: boolean }
  /** Names of the engine's runtimes. */
  runtimes: readonly string[]
  defaultRuntime: string
  /** The engine's own directory on its host. */
  rootDirectory: string
  cpus: number
  /** Bytes */
  memory: number
}

const INFO_TIMEOUT_MS = 10_000

const Flag = z
  .boolean()
  .nullish()
  .transform((flag) => flag === true)

const Info = z.object({
  MemoryLimit: Flag,
  SwapLimit: Flag,
  PidsLimit: Flag,
  CpuCfsQuota: Flag,
  Runtimes: z.record(z.string(), z.unknown()).nullish(),
  DefaultRuntime: z.string().nullish(),
  DockerRootDir: z.string().nullish(),
  NCPU: z.number().nullish(),
  MemTotal: z.number().nullish(),
})

/** Throws `engine_unavailable` or `engine_failed`. */
export async function engineFacts(engine: Engine, signal: AbortSignal): Promise<EngineFacts> {
  const call = {
    action: `ask the engine at "${engine.endpoint}" what it can do`,
    missing: 'engine_failed',
    timeoutMs: INFO_TIMEOUT_MS,
    signal,
  } as const
  const answer = await engineCall(call, (limit) =>
    engineGet(engine.docker, '/info', { timeoutMs: INFO_TIMEOUT_MS, signal: limit }),
  )
  return readFacts(engine, answer)
}

/** The runtime that gives the isolation; `undefined` when the engine has none. */
export function runtimeFor(isolation: Isolation, facts: EngineFacts): string | undefined {
  if (isolation === 'container') return facts.defaultRuntime
  return facts.runtimes.find((name) => name === 'runsc')
}

export function readFacts(
  engine: Pick<Engine, 'version' | 'apiVersion' | 'rootless' | 'cgroupVersion' | 'securityOptions'>,
  answer: unknown,
): EngineFacts {
  const info = Info.parse(answer)
  const has = (name: string) =>
    engine.securityOptions.some((option) => option.split(',').includes(`name=${name}`))
  const runtimes = Object.keys(info.Runtimes ?? {}).sort()
  return {
    version: engine.version,
    api: engine.apiVersion,
    rootless: engine.rootless,
    userNamespaces: has('userns') || engine.rootless,
    cgroupVersion: engine.cgroupVersion,
    seccomp: has('seccomp'),
    apparmor: has('apparmor'),
    selinux: has('selinux'),
    limits: {
      memory: info.MemoryLimit,
      swap: info.SwapLimit,
      pids: info.PidsLimit,
      cpu: info.CpuCfsQuota,
    },
    runtimes,
    defaultRuntime: info.DefaultRuntime || 'runc',
    rootDirectory: info.DockerRootDir || '/var/lib/docker',
    cpus: info.NCPU ?? 0,
    memory: info.MemTotal ?? 0,
  }
}

/** The refusal of an isolation the engine cannot give. */
export function noRuntime(isolation: Isolation, runtimes: readonly string[]): OpenExecError {
  return new OpenExecError(
    'confinement_unsupported',
    `Cannot isolate with "${isolation}": the engine has no runtime "runsc" (it has ${runtimes.join(', ')})`,
    {
      hint: 'Install gVisor and register it with the engine, or choose `isolation: container`',
      details: { isolation, runtimes },
    },
  )
}

/** A runtime may be registered and yet not work on this machine. */
export function runtimeBroken(isolation: Isolation, error: unknown): unknown {
  const isRefused = error instanceof OpenExecError && error.code === 'sandbox_failed'
  if (isolation !== 'gvisor' || !isRefused) return error
  return new OpenExecError(
    'confinement_unsupported',
    'Cannot isolate with "gvisor": the runtime "runsc" of the engine does not start a container here',
    {
      hint: 'Run `openexec doctor` to see what it says, or choose `isolation: container`',
      details: { isolation: 'gvisor', ...error.details },
      cause: error,
    },
  )
}
