/**
 * Looks at this machine with the eyes of a run: what is there, what can be enforced, and what to do
 * about what is missing. Real sandboxes are opened and their receipts read; what is tried leaves nothing.
 */
import { mkdtemp, mkdir, rm, chown, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileConfinement, defaultPolicy } from '../policy/index.ts'
import {
  type Clock,
  type DoctorCheck,
  type DoctorReport,
  type Isolation,
  type NewId,
  OpenExecError,
  type Receipt,
} from '../schema/index.ts'
import type { Models } from '../model/index.ts'
import { type EngineFacts, OWN_IMAGES, type Probed, type Sandboxes } from '../sandbox/index.ts'
import { capabilityMap, fromFacts, fromReceipt } from './capabilities.ts'
import { modelChecks } from './doctor-model.ts'
import { poolChecks } from './doctor-pool.ts'
import { machineCapabilities } from './machine-capabilities.ts'

export interface DoctorDeps {
  sandboxes: Sandboxes
  /** Version of git on this machine. Throws when there is none. */
  gitVersion(signal: AbortSignal): Promise<string>
  /** Whether workspaces may lie over shared checkouts, tried below a directory that must not exist. */
  overlay(folder: string, signal: AbortSignal): Promise<Probed>
  user: { uid: number; gid: number }
  models: Models
  /** Where workspaces and results go. */
  stateDir: string
  /** Variables that name certificate authorities of this site. */
  certificates: Readonly<Record<string, string | undefined>>
  newId: NewId
  now: Clock
}

export async function examine(
  deps: DoctorDeps,
  { live, signal }: { live: boolean; signal: AbortSignal },
): Promise<DoctorReport> {
  const git = await gitCheck(deps, signal)
  const checks: DoctorCheck[] = [nodeCheck(), git, ...(await modelChecks(deps, { live, signal }))]
  const machine = await machineCapabilities(deps, git.evidence)
  const facts = await attempt('engine', () => deps.sandboxes.facts({ signal }), checks)
  const tried = facts === undefined ? {} : await examineEngine(deps, { facts, checks }, signal)
  return {
    ok: checks.every(({ status }) => status !== 'failed'),
    checks,
    capabilities: capabilityMap({ ...machine, ...tried }),
  }
}

/** Everything is tried below one directory, which is gone afterwards. */
async function examineEngine(
  deps: DoctorDeps,
  { facts, checks }: { facts: EngineFacts; checks: DoctorCheck[] },
  signal: AbortSignal,
): Promise<Record<string, Probed>> {
  checks.push(...engineChecks(facts), ...(await imageChecks(deps, signal)))
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'openexec-doctor-')))
  try {
    // One after another: on a busy machine each would disturb what the other measures.
    const receipt = await sandboxChecks(deps, { facts, checks, slot: join(folder, 'slot') }, signal)
    checks.push(...poolChecks(deps))
    const probes = await deps.sandboxes.probe(folder, { signal })
    const gvisor = await gvisorProbe(deps, { facts, slot: join(folder, 'gvisor') }, signal)
    const overlay = await deps.overlay(join(folder, 'overlay'), signal)
    const tried = { ...probes, gvisor, overlay_workspaces: overlay }
    return { ...fromReceipt(receipt), ...fromFacts(facts), ...tried }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Registered is not working: a real sandbox says which. */
async function gvisorProbe(
  deps: DoctorDeps,
  { facts, slot }: { facts: EngineFacts; slot: string },
  signal: AbortSignal,
): Promise<Probed> {
  if (!facts.runtimes.includes('runsc'))
    return { has: 'no', evidence: `no runtime runsc (there are ${facts.runtimes.join(', ')})` }
  const failures: DoctorCheck[] = []
  const receipt = await attempt(
    'gvisor',
    () => openOnce(deps, { facts, slot, isolation: 'gvisor' }, signal),
    failures,
  )
  if (receipt === undefined) return { has: 'no', evidence: failures[0]?.evidence ?? '' }
  const missing = receipt.items.filter(({ status }) => status === 'missing')
  return receipt.complete
    ? { has: 'yes', evidence: `a sandbox was opened with ${receipt.items.length} guarantees` }
    : {
        has: 'no',
        evidence: `a sandbox misses ${missing.map((item) => item.guarantee).join(', ')}`,
      }
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
  { facts, checks, slot }: { facts: EngineFacts; checks: DoctorCheck[]; slot: string },
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  const started = performance.now()
  const open = () => openOnce(deps, { facts, slot, isolation: 'container' }, signal)
  const receipt = await attempt('sandbox', open, checks)
  if (receipt === undefined) return undefined
  const took = Math.round(performance.now() - started)
  const soft = receipt.items.filter(({ status }) => status !== 'enforced')
  checks.push(
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
  )
  return receipt
}

async function openOnce(
  { sandboxes, user, newId }: DoctorDeps,
  { facts, slot, isolation }: { facts: EngineFacts; slot: string; isolation: Isolation },
  signal: AbortSignal,
): Promise<Receipt> {
  const tree = join(slot, 'tree')
  await mkdir(tree, { recursive: true })
  if (process.getuid?.() === 0) await chown(tree, user.uid, user.gid)
  const sandbox = await sandboxes.open(
    {
      id: newId('sbx'),
      run: 'none',
      image: 'base',
      confinement: compileConfinement({ ...defaultPolicy(), isolation }, 'workspace_write', {
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
