/**
 * What policy decided, as data a container engine can be told: no paths of the host, no ids, no
 * clock. Two runs with the same confinement digest may use each other's warm sandboxes.
 */
import { z } from 'zod'
import { Sha256 } from './ids.ts'
import { Isolation, SandboxMode } from './policy.ts'

export const Limits = z.object({
  cpus: z.number().positive(),
  /** Bytes; swap is off. */
  memory: z.number().int().positive(),
  pids: z.number().int().positive(),
  /** Bytes of the workspace. */
  disk: z.number().int().positive(),
  inodes: z.number().int().positive(),
  /** `ms` */
  wall: z.number().int().positive(),
  /** Bytes of stdout and stderr kept of one command. */
  output: z.number().int().positive(),
})
export type Limits = z.infer<typeof Limits>

export const TmpfsMount = z.object({
  target: z.string(),
  /** Bytes */
  size: z.number().int().positive(),
  inodes: z.number().int().positive(),
  /** Octal permission text, `1777`. */
  mode: z.string(),
  exec: z.boolean(),
  /** Whether the sandbox user owns it; else root does. */
  owned: z.boolean(),
})
export type TmpfsMount = z.infer<typeof TmpfsMount>

export const Confinement = z.object({
  version: z.literal(1),
  mode: SandboxMode,
  isolation: Isolation,
  workspace: z.enum(['read_only', 'read_write']),
  /** `read_only`: private gitdir, history cannot be written; `private`: commits stay in the run's own gitdir. */
  git: z.enum(['read_only', 'private']),
  rootfs: z.enum(['read_only', 'writable']),
  network: z.literal('none'),
  capabilities: z.array(z.string()).length(0),
  noNewPrivileges: z.literal(true),
  /** Seccomp profile as engine JSON text. */
  seccomp: z.object({ name: z.string(), digest: Sha256, profile: z.string() }),
  limits: Limits,
  ulimits: z.array(z.object({ name: z.string(), soft: z.number(), hard: z.number() })),
  tmpfs: z.array(TmpfsMount),
  /** Bytes */
  shm: z.number().int().positive(),
  maskedPaths: z.array(z.string()),
  readonlyPaths: z.array(z.string()),
  sysctls: z.record(z.string(), z.string()),
  cpuShares: z.number().int().positive(),
  oomScoreAdj: z.number().int(),
  /** Environment of every command; never secrets. */
  env: z.record(z.string(), z.string()),
})
export type Confinement = z.infer<typeof Confinement>

/** One guarantee: what was asked, what the engine and the inside of the sandbox show. */
export const ReceiptItem = z.object({
  guarantee: z.string(),
  requested: z.string(),
  enforced: z.string(),
  /** Where `enforced` was read. */
  source: z.enum(['inspect', 'inside', 'engine']),
  status: z.enum(['enforced', 'soft', 'missing']),
})
export type ReceiptItem = z.infer<typeof ReceiptItem>

/** Requested against enforced, made before any task code runs. */
export const Receipt = z.object({
  version: z.literal(1),
  confinement: Sha256,
  image: z.object({ name: z.string(), id: z.string() }),
  engine: z.object({ version: z.string(), api: z.string(), runtime: z.string() }),
  items: z.array(ReceiptItem),
  /** True when no item is `missing`. */
  complete: z.boolean(),
  /** True when the run goes on although it is not complete, because the caller said so. */
  degraded: z.boolean(),
})
export type Receipt = z.infer<typeof Receipt>
