import { expect, test } from 'vitest'
import { Confinement, OpenExecError, SandboxMode } from '../schema/index.ts'
import { compileConfinement, confinementDigest, type ConfinementOptions } from './confinement.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

const ENGINE: ConfinementOptions = {
  runtimes: ['runc'],
  network: undefined,
  omitsDeniedPaths: false,
}

function policyOf(text: string) {
  return readPolicy({ file: 'p.yaml', text: `version: 1\n${text}` })
}

const FULL = policyOf('sandbox: danger_full_access')

function refusal(text: string, options: Partial<ConfinementOptions> = {}): OpenExecError {
  try {
    compileConfinement(policyOf(text), 'workspace_write', { ...ENGINE, ...options })
  } catch (error) {
    if (error instanceof OpenExecError) return error
    throw error
  }
  throw new Error('Nothing was refused')
}

test('compileConfinement() gives each mode what the table says, and nothing else differs', () => {
  const all = SandboxMode.options.map((mode) => compileConfinement(FULL, mode, ENGINE))
  expect(all.map(({ workspace, git, rootfs }) => [workspace, git, rootfs])).toEqual([
    ['read_only', 'read_only', 'read_only'],
    ['read_write', 'read_only', 'read_only'],
    ['read_write', 'private', 'read_only'],
    ['read_write', 'private', 'writable'],
  ])
  const varying = { mode: 0, workspace: 0, git: 0, rootfs: 0, env: 0 }
  const common = all.map((each) => ({ ...each, ...varying }))
  for (const each of common) expect(each).toEqual(common[0])
})

test('compileConfinement() keeps the baseline', () => {
  const confinement = compileConfinement(defaultPolicy(), 'workspace_write', ENGINE)
  expect(Confinement.parse(confinement)).toEqual(confinement)
  const { seccomp, maskedPaths, readonlyPaths, env, ...rest } = confinement
  expect(rest).toEqual({
    version: 1,
    mode: 'workspace_write',
    isolation: 'container',
    workspace: 'read_write',
    git: 'read_only',
    rootfs: 'read_only',
    network: 'none',
    capabilities: [],
    noNewPrivileges: true,
    limits: {
      cpus: 2,
      memory: 2e9,
      pids: 512,
      disk: 4e9,
      inodes: 200_000,
      wall: 1_800_000,
      output: 64e6,
    },
    ulimits: [
      { name: 'nofile', soft: 4096, hard: 8192 },
      { name: 'core', soft: 0, hard: 0 },
      { name: 'fsize', soft: 4e9, hard: 4e9 },
      { name: 'memlock', soft: 65_536, hard: 65_536 },
    ],
    tmpfs: [
      { target: '/tmp', size: 2 ** 28, inodes: 65_536, mode: '1777', exec: true, owned: false },
      {
        target: '/home/agent',
        size: 2 ** 28,
        inodes: 65_536,
        mode: '700',
        exec: true,
        owned: true,
      },
      { target: '/var/tmp', size: 2 ** 26, inodes: 65_536, mode: '1777', exec: true, owned: false },
      { target: '/run', size: 2 ** 24, inodes: 65_536, mode: '755', exec: false, owned: false },
    ],
    shm: 2 ** 26,
    sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' },
    cpuShares: 512,
    oomScoreAdj: 500,
  })
  expect(seccomp.name).toBe('openexec-strict')
  expect(maskedPaths).toContain('/proc/kcore')
  expect(readonlyPaths).toContain('/proc/sys')
  expect(env['HOME']).toBe('/home/agent')
})

test('compileConfinement() gives a git identity only where commits may be made', () => {
  const named = SandboxMode.options.map(
    (mode) => 'GIT_AUTHOR_NAME' in compileConfinement(FULL, mode, ENGINE).env,
  )
  expect(named).toEqual([false, false, true, true])
})

test('compileConfinement() gives no network device to a run that may reach hosts', () => {
  const open = policyOf('network: { allow: [a.test, "*.b.test:8443"] }')
  const closed = compileConfinement(policyOf(''), 'workspace_write', ENGINE)
  expect(compileConfinement(open, 'workspace_write', ENGINE)).toEqual(closed)
  expect(closed.network).toBe('none')
})

test('compileConfinement() runs what declares that it needs no network', () => {
  const policy = policyOf('network: { allow: [a.test] }')
  const without = compileConfinement(policy, 'workspace_write', { ...ENGINE, network: [] })
  expect(without.network).toBe('none')
  expect(compileConfinement(policy, 'read_only', ENGINE).network).toBe('none')
})

test('compileConfinement() refuses a host that the policy does not permit', () => {
  expect(refusal('network: { allow: [a.test] }', { network: ['b.test'] }).code).toBe(
    'policy_denied',
  )
})

test('compileConfinement() refuses gVisor where the engine has none', () => {
  const error = refusal('isolation: gvisor')
  expect(error.code).toBe('confinement_unsupported')
  expect(error.message).toContain('no runtime "runsc" (it has runc)')
  const policy = policyOf('isolation: gvisor')
  const options = { ...ENGINE, runtimes: ['runc', 'runsc'] }
  expect(compileConfinement(policy, 'read_only', options).isolation).toBe('gvisor')
})

test('compileConfinement() refuses paths.deny_read where the workspace does not leave them out', () => {
  const error = refusal('paths: { deny_read: [secrets/**] }')
  expect(error.code).toBe('confinement_unsupported')
  expect(error.message).toContain('secrets/**')
  const policy = policyOf('paths: { deny_read: [secrets/**] }')
  const options = { ...ENGINE, omitsDeniedPaths: true }
  expect(compileConfinement(policy, 'read_only', options).mode).toBe('read_only')
})

test('compileConfinement() refuses a mode wider than the policy', () => {
  expect(() => compileConfinement(defaultPolicy(), 'repo_write', ENGINE)).toThrow(
    expect.objectContaining({ code: 'policy_denied' }),
  )
})

test('confinementDigest() is equal exactly when the confinements are', () => {
  const digest = (text: string, mode: SandboxMode) =>
    confinementDigest(compileConfinement(policyOf(text), mode, ENGINE))
  const base = digest('', 'workspace_write')
  expect(digest('paths: { deny_write: [x] }', 'workspace_write')).toBe(base)
  expect(digest('', 'read_only')).not.toBe(base)
  expect(digest('limits: { memory: 1GB }', 'workspace_write')).not.toBe(base)
})
