/** A command in a sandbox: what is asked, and what came of it. */
import { z } from 'zod'

export const ExecResult = z.object({
  /** 0–255; `null` when a signal ended it. */
  exitCode: z.number().int().min(0).max(255).nullable(),
  /** `SIGKILL`, …; `null` when it exited by itself. */
  signal: z.string().nullable(),
  timedOut: z.boolean(),
  /** `ms`, measured by the orchestrator. */
  durationMs: z.number().nonnegative(),
  stdoutBytes: z.number().int().nonnegative(),
  stderrBytes: z.number().int().nonnegative(),
  /** Whether the kernel killed anything in the sandbox for memory while it ran. */
  outOfMemory: z.boolean(),
})
export type ExecResult = z.infer<typeof ExecResult>

/** One file as it is seen from inside, no link followed. */
export const FileStat = z.object({
  type: z.enum(['file', 'directory', 'symlink', 'other']),
  size: z.number().int().nonnegative(),
  mode: z.number().int(),
})
export type FileStat = z.infer<typeof FileStat>

/** One test of a parsed report. */
export const TestCase = z.object({
  suite: z.string(),
  name: z.string(),
  status: z.enum(['passed', 'failed', 'skipped', 'error']),
  /** `ms` */
  durationMs: z.number().nonnegative().optional(),
  message: z.string().optional(),
})
export type TestCase = z.infer<typeof TestCase>
