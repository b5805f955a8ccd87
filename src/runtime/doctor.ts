/**
 * Looks at this machine with the eyes of a run: what is there, what can be enforced, and what to do
 * about what is missing. The last check opens a real sandbox and reads its receipt.
 */
import { mkdtemp, mkdir, rm, chown, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileConfinement, defaultPolicy } from '../policy/index.ts'
import {
  type Clock,
  type DoctorCheck,
  type DoctorReport,
  type NewId,
  OpenExecError,
} from '../schema/index.ts'
import type { Models } from '../model/index.ts'
import { modelChecks } from './doctor-model.ts'
import { type EngineFacts, OWN_IMAGES, type Sandboxes } from '../sandbox/index.ts'

export interface DoctorDeps {
  sandboxes: Sandboxes
  /** Version of git on this machine as `[major, minor, patch]`. Throws when there is none. */
  gitVersion(signal: AbortSignal): Promise<string>
  user: { uid: number; gid: number }
  models: Models
  newId: NewId
  now: Clock
}

export async function examine(
  deps: DoctorDeps,
  { live, signal }: { live: boolean; signal: AbortSignal },
): Promise<DoctorReport> {
  const checks: DoctorCheck[] = [nodeCheck(), await gitCheck(deps, signal)]
  checks.push(...(await modelChecks(deps, { live, signal })))
  const facts = await attempt('engine', () => deps.sandboxes.facts({ signal }), checks)
  if (facts !== undefined) {
    checks.push(...engineChecks(facts), ...(await imageChecks(deps, signal)))
    checks.push(...(await sandboxChecks(deps, facts, signal)))
    checks.push(...poolChecks(deps))
  }
  return { ok: checks.every(({ status }) => status !== 'failed'), checks }
}

function nodeCheck(): DoctorCheck {
  return {
    name: 'node',
    status: 'ok',
    evidence: `${process.version} on ${process.platform} ${process.arch}`,
  }
}

async function gitCheck(deps: DoctorDeps, signal: AbortSignal): Promise<DoctorCheck> {
  const checks: DoctorCheck[] = []
  const version = await attempt('git', () => deps.gitVersion(signal), checks)
  return checks[0] ?? { name: 'git', status: 'ok', evidence: version ?? '' }
}

function engineChecks(facts: EngineFacts): DoctorCheck[] {
  const { limits } = facts
  const missing = Object.entries(limits).flatMap(([name, can]) => (can ? [] : [name]))
  return [
    {
      name: 'engine',
      status: 'ok',
      evidence: `${facts.version}, API ${facts.api}${facts.rootless ? ', rootless' : ''}, cgroup v${facts.cgroupVersion}, ${facts.cpus} cpus`,
    },
    missing.length === 0
      ? { name: 'limits', status: 'ok', evidence: 'memory, swap, processes and cpu can be limited' }
      : {
          name: 'limits',
          status: 'warning',
          evidence: `the engine cannot limit ${missing.join(', ')}`,
          remedy:
            'Use an engine with root, or one on cgroup v2; runs that ask for these limits are refused',
        },
    facts.seccomp
      ? { name: 'seccomp', status: 'ok', evidence: 'the engine loads seccomp profiles' }
      : {
          name: 'seccomp',
          status: 'failed',
          evidence: 'the engine has no seccomp',
          remedy: 'Use a kernel and an engine with seccomp; runs are refused without it',
        },
    facts.runtimes.includes('runsc')
      ? { name: 'gvisor', status: 'ok', evidence: 'runtime runsc is registered' }
      : {
          name: 'gvisor',
          status: 'warning',
          evidence: `no runtime runsc (there are ${facts.runtimes.join(', ')})`,
          remedy:
            'Only needed for `isolation: gvisor`: install gVisor and register it with the engine',
        },
    {
      name: 'access control',
      status: 'ok',
      evidence: facts.apparmor ? 'AppArmor' : facts.selinux ? 'SELinux' : 'none beside seccomp',
    },
  ]
}

async function imageChecks({ sandboxes }: DoctorDeps, signal: AbortSignal): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = []
  for (const name of OWN_IMAGES) {
    const image = await attempt(`image ${name}`, () => sandboxes.image(name, { signal }), checks)
    if (image !== undefined)
      checks.push({
        name: `image ${name}`,
        status: 'ok',
        evidence: `${image.name} ${image.id.slice(0, 19)}`,
      })
  }
  return checks
}

/** Opens a sandbox over an empty directory; every guarantee of its receipt becomes a check. */
async function sandboxChecks(
  deps: DoctorDeps,
  facts: EngineFacts,
  signal: AbortSignal,
): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = []
  const slot = await realpath(await mkdtemp(join(tmpdir(), 'openexec-doctor-')))
  try {
    const started = performance.now()
    const receipt = await attempt('sandbox', () => openOnce(deps, { facts, slot }, signal), checks)
    if (receipt === undefined) return checks
    const took = Math.round(performance.now() - started)
    const soft = receipt.items.filter(({ status }) => status !== 'enforced')
    return [
      {
        name: 'sandbox',
        status: receipt.complete ? 'ok' : 'failed',
        evidence: `opened, measured and removed in ${took} ms; ${receipt.items.length - soft.length} of ${receipt.items.length} guarantees enforced`,
      },
      ...soft.map(({ guarantee, requested, enforced, status }): DoctorCheck => ({
        name: guarantee,
        status: status === 'soft' ? 'warning' : 'failed',
        evidence: `asked for ${requested}, found ${enforced}`,
      })),
    ]
  } finally {
    await rm(slot, { recursive: true, force: true })
  }
}

/** Only a process that lives long has one. */
function poolChecks({ sandboxes }: DoctorDeps): DoctorCheck[] {
  const stats = sandboxes.poolStats()
  if (stats === undefined) return []
  const { hits, misses, unhealthy, failures, kinds, low, high } = stats
  const waiting = kinds.reduce((sum, kind) => sum + kind.waiting, 0)
  const evidence = `${waiting} sandboxes of ${kinds.length} kinds wait (marks ${low} and ${high}); ${hits} runs were given one, ${misses} not; ${unhealthy} did not answer, ${failures} did not start`
  if (failures === 0) return [{ name: 'pool', status: 'ok', evidence }]
  const remedy =
    'See the log for why they did not start; runs start sandboxes of their own meanwhile'
  return [{ name: 'pool', status: 'warning', evidence, remedy }]
}

async function openOnce(
  { sandboxes, user, newId }: DoctorDeps,
  { facts, slot }: { facts: EngineFacts; slot: string },
  signal: AbortSignal,
) {
  const tree = join(slot, 'tree')
  await mkdir(tree)
  if (process.getuid?.() === 0) await chown(tree, user.uid, user.gid)
  const sandbox = await sandboxes.open(
    {
      id: newId('sbx'),
      run: 'none',
      image: 'base',
      confinement: compileConfinement(defaultPolicy(), 'workspace_write', {
        runtimes: facts.runtimes,
        network: undefined,
        omitsDeniedPaths: true,
      }),
      user,
      mounts: [{ source: tree, target: '/workspace', readOnly: false }],
      roots: [slot],
      readOnlyRoots: [],
      slot,
      measure: undefined,
      // A doctor reports what is weaker instead of refusing to look.
      acceptDegraded: true,
      meanwhile: () => {},
    },
    { signal },
  )
  await sandbox.close()
  return sandbox.receipt
}

/** What `work` gives, or a failed check with the error's own words. */
async function attempt<T>(
  name: string,
  work: () => Promise<T>,
  checks: DoctorCheck[],
): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    const { message, hint } = error
    checks.push({
      name,
      status: 'failed',
      evidence: message,
      ...(hint !== undefined && { remedy: hint }),
    })
    return undefined
  }
}
