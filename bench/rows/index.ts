import type { BenchRow } from '../row.ts'
import { burst } from './burst.ts'
import { checkpoint } from './checkpoint.ts'
import { coldRun } from './cold-run.ts'
import { command } from './command.ts'
import { eventAppend } from './event-append.ts'
import { eventFanout } from './event-fanout.ts'
import { egressCrowd, egressLarge, egressSmall } from './egress.ts'
import { flood } from './flood.ts'
import { fork } from './fork.ts'
import { hardening } from './hardening.ts'
import { pipeThroughput } from './pipe-throughput.ts'
import { restart } from './restart.ts'
import { teardown } from './teardown.ts'
import { warmRun } from './warm-run.ts'
import { worktree } from './worktree.ts'

export const ROWS: readonly BenchRow[] = [
  command,
  warmRun,
  coldRun,
  hardening,
  teardown,
  pipeThroughput,
  eventAppend,
  eventFanout,
  restart,
  egressSmall,
  egressLarge,
  egressCrowd,
  burst,
  flood,
  worktree,
  checkpoint,
  fork,
]
