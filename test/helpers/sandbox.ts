/**
 * Sandboxes for tests: a fresh slot directory, the confinement the policy compiles, and the real
 * thing on the real engine. `using` is not awaited by tests under Node 22, so each opened sandbox is
 * closed by `closeAll()`.
 */
import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileConfinement, defaultPolicy } from '../../src/policy/index.ts'
import type { Engine } from '../../src/sandbox/connect.ts'
import type { SandboxSpec } from '../../src/sandbox/open.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { createSandboxes, type Sandboxes } from '../../src/sandbox/sandboxes.ts'
import type { Confinement, ExecResult, SandboxMode } from '../../src/schema/index.ts'

/** An orchestrator that is root gives a sandbox a user of its own; any other its own user. */
export const TEST_USER =
  process.getuid?.() === 0
    ? { uid: 200_123, gid: 200_123 }
    : { uid: process.getuid?.() ?? 1000, gid: process.getgid?.() ?? 1000 }

export function testConfinement(
  mode: SandboxMode,
  limits: Partial<Confinement['limits']> = {},
): Confinement {
  const policy = { ...defaultPolicy(), sandbox: 'danger_full_access' as const }
  const confinement = compileConfinement(policy, mode, {
    runtimes: ['runc'],
    network: undefined,
    omitsDeniedPaths: true,
  })
  return { ...confinement, limits: { ...confinement.limits, ...limits } }
}

export interface TestSlot {
  /** The directory mounted at /workspace. */
  tree: string
  spec: SandboxSpec
}

export interface SandboxBench {
  sandboxes: Sandboxes
  warnings: string[]
  /** A directory of its own with a tree, and what to open on it. */
  slot(confinement: Confinement): TestSlot
  open(confinement: Confinement): Promise<Sandbox>
  /** Closes and removes everything this bench has made. */
  closeAll(): Promise<void>
}

export function sandboxBench(
  instance: string,
  connect: (signal: AbortSignal) => Promise<Engine>,
): SandboxBench {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-test-')))
  const warnings: string[] = []
  const sandboxes = createSandboxes({
    connect,
    instance,
    now: Date.now,
    log: { info: () => {}, warn: (message) => warnings.push(message) },
  })
  const slot = (confinement: Confinement) => makeSlot(base, confinement)
  return {
    sandboxes,
    warnings,
    slot,
    open: (confinement) =>
      sandboxes.open(slot(confinement).spec, { signal: new AbortController().signal }),
    closeAll: async () => {
      await sandboxes.close()
      rmSync(base, { recursive: true, force: true })
    },
  }
}

function makeSlot(base: string, confinement: Confinement): TestSlot {
  const id = `sbx_${randomBytes(8)
    .toString('hex')
    .replaceAll(/[ilou]/g, 'z')}`
  const directory = join(base, id)
  const [tree, git] = [join(directory, 'tree'), join(directory, 'git')]
  for (const path of [tree, git]) {
    mkdirSync(path, { recursive: true })
    if (process.getuid?.() === 0) chownSync(path, TEST_USER.uid, TEST_USER.gid)
  }
  const readOnly = confinement.workspace === 'read_only'
  const spec: SandboxSpec = {
    id,
    run: 'run_test',
    image: 'base',
    confinement,
    user: TEST_USER,
    mounts: [
      { source: tree, target: '/workspace', readOnly },
      { source: git, target: '/openexec/git', readOnly: confinement.git === 'read_only' },
    ],
    roots: [directory],
    readOnlyRoots: [],
    slot: directory,
    measure: undefined,
    acceptDegraded: false,
    meanwhile: () => {},
  }
  return { tree, spec }
}

export interface Ran extends ExecResult {
  stdout: string
  stderr: string
}

export interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  stdin?: string
  timeoutMs?: number
  signal?: AbortSignal
}

/** Runs argv, or a shell text, to its end with its output as text. */
export async function run(
  sandbox: Sandbox,
  command: string | readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const output = { stdout: '', stderr: '' }
  const result = await sandbox.exec({
    argv: typeof command === 'string' ? ['/bin/sh', '-c', command] : command,
    env: options.env ?? {},
    cwd: options.cwd ?? '/workspace',
    timeoutMs: options.timeoutMs ?? 30_000,
    stdin: Buffer.from(options.stdin ?? ''),
    signal: options.signal ?? new AbortController().signal,
    onOutput: (stream, chunk) => {
      output[stream] += Buffer.from(chunk).toString('utf8')
    },
  })
  return { ...result, ...output }
}

/** The container behind a sandbox, by its label. */
export async function containerOf(engine: Engine, id: string): Promise<string> {
  const found = await engine.docker.listContainers({
    all: true,
    filters: { label: [`openexec.sandbox=${id}`] },
  })
  const [container] = found
  if (container === undefined || found.length !== 1)
    throw new Error(`Expected one container of ${id}, found ${found.length}`)
  return container.Id
}

/** How many containers there are of a test instance. */
export async function containersOf(engine: Engine, instance: string): Promise<number> {
  const filters = { label: [`openexec.instance=${instance}`] }
  return (await engine.docker.listContainers({ all: true, filters })).length
}
