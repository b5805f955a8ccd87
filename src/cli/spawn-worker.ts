import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Run } from '../schema/index.ts'
import type { Io } from './io.ts'

/** Starts a process of its own that executes the run and outlives this one; it logs beside the run. */
export function spawnWorker(io: Io, run: Run, stateDir: string): void {
  const entry = process.argv[1]
  if (entry === undefined) throw new Error('Cannot start a worker: the program has no file')
  const directory = join(stateDir, 'runs', run.id)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const log = openSync(join(directory, 'worker.log'), 'a', 0o600)
  try {
    const worker = spawn(process.execPath, [entry, 'worker', run.id, '--state', stateDir], {
      cwd: stateDir,
      detached: true,
      stdio: ['ignore', log, log],
    })
    worker.on('error', (error) =>
      io.err(`Cannot start a worker: ${error.message}; go on with: openexec resume ${run.id}`),
    )
    worker.unref()
  } finally {
    closeSync(log)
  }
}
