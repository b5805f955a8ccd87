import type { BenchRow } from '../row.ts'
import { coldRun } from './cold-run.ts'
import { command } from './command.ts'
import { hardening } from './hardening.ts'
import { teardown } from './teardown.ts'

export const ROWS: readonly BenchRow[] = [command, coldRun, hardening, teardown]
