/**
 * From a decision to what a container engine is told: a policy and a mode become a `Confinement`.
 * Pure data; `sandbox/` obeys it and proves it. What cannot be enforced is refused here by name, so
 * that a policy never promises what its container does not keep.
 */
import { type Confinement, hashJson, OpenExecError, type SandboxMode } from '../schema/index.ts'
import {
  CPU_SHARES,
  MASKED_PATHS,
  OOM_SCORE_ADJ,
  READONLY_PATHS,
  SHM_BYTES,
  SYSCTLS,
  TMPFS,
  ulimits,
} from './baseline.ts'
import { commandEnv } from './command-env.ts'
import { isWider } from './modes.ts'
import { stageNetwork } from './narrow.ts'
import type { Policy } from './policy.ts'
import { seccompProfile } from './seccomp-profile.ts'

/** Runtime name of gVisor in an engine. */
const GVISOR_RUNTIME = 'runsc'

export interface ConfinementOptions {
  /** Runtimes the engine says it has. */
  runtimes: readonly string[]
  /** `network` of the stage; `undefined` when it says nothing. */
  network: readonly string[] | undefined
  /** Whether the workspace leaves `paths.deny_read` out of the tree it mounts. */
  omitsDeniedPaths: boolean
}

/**
 * The confinement of a stage. Throws `policy_denied` for a mode or host the policy does not permit
 * and `confinement_unsupported` for what the engine cannot keep, each naming it.
 */
export function compileConfinement(
  policy: Policy,
  mode: SandboxMode,
  options: ConfinementOptions,
): Confinement {
  refuseWiderMode(policy, mode)
  // A host that the policy does not permit is refused before anything starts.
  stageNetwork(policy, mode, options.network)
  if (policy.isolation === 'gvisor' && !options.runtimes.includes(GVISOR_RUNTIME))
    throw new OpenExecError(
      'confinement_unsupported',
      `Cannot isolate with "gvisor": the engine has no runtime "${GVISOR_RUNTIME}" (it has ${options.runtimes.join(', ') || 'none'})`,
      { hint: 'Install gVisor and register it with the engine, or set "isolation: container"' },
    )
  if (policy.paths.deny_read.length > 0 && !options.omitsDeniedPaths)
    throw new OpenExecError(
      'confinement_unsupported',
      `Cannot keep paths.deny_read (${policy.paths.deny_read.join(', ')}) from commands: the workspace holds the whole tree`,
      { hint: 'Remove these files from the commit the run is based on, or drop paths.deny_read' },
    )
  return confinementOf(policy, mode)
}

/** Lower-case hex sha256; equal confinements can use each other's warm sandboxes. */
export function confinementDigest(confinement: Confinement): string {
  return hashJson(confinement)
}

/** What a mode would get, whether or not it can be had; for explanations. */
export function confinementOf(policy: Policy, mode: SandboxMode): Confinement {
  const { limits, isolation } = policy
  return {
    version: 1,
    mode,
    isolation,
    workspace: mode === 'read_only' ? 'read_only' : 'read_write',
    git: isWider(mode, 'workspace_write') ? 'private' : 'read_only',
    rootfs: mode === 'danger_full_access' ? 'writable' : 'read_only',
    network: 'none',
    capabilities: [],
    noNewPrivileges: true,
    seccomp: seccompProfile(),
    limits: { ...limits },
    ulimits: ulimits(limits),
    tmpfs: TMPFS.map((mount) => ({ ...mount })),
    shm: SHM_BYTES,
    maskedPaths: [...MASKED_PATHS],
    readonlyPaths: [...READONLY_PATHS],
    sysctls: { ...SYSCTLS },
    cpuShares: CPU_SHARES,
    oomScoreAdj: OOM_SCORE_ADJ,
    env: commandEnv(mode),
  }
}

function refuseWiderMode(policy: Policy, mode: SandboxMode): void {
  if (!isWider(mode, policy.sandbox)) return
  throw new OpenExecError(
    'policy_denied',
    `Cannot confine as "${mode}": the policy permits "${policy.sandbox}" and narrower`,
    { hint: `Set "sandbox: ${mode}" in the policy file, or pass --sandbox ${mode}` },
  )
}
