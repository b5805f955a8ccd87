/**
 * Brings a machine to where a sandbox can start: an engine that answers, and OpenExec's images on
 * it. Safe to run at any time; where all is there it only looks. What it installs or starts, it
 * says; what it cannot do, it names with the commands that do it.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { holdLock } from '../bootstrap/lock.mjs'
import { ensureEngine } from './engine.ts'
import { ensureImages } from './images.ts'
import { ensureProgram } from './program.ts'
import { projectRoot } from './project-root.ts'

export interface SetUpOptions {
  /** Builds every image again, without the engine's cache: the way to security updates. */
  rebuild: boolean
}

export async function setUp({ rebuild }: SetUpOptions): Promise<void> {
  const started = performance.now()
  const state = join(projectRoot, '.openexec-dev')
  mkdirSync(state, { recursive: true })
  const release = await holdLock(join(state, 'setup.lock'))
  try {
    await ensureProgram(say)
    const engine = await ensureEngine(process.env, say)
    await ensureImages(engine, { rebuild, env: process.env, say })
  } finally {
    release()
  }
  say(`ready after ${((performance.now() - started) / 1000).toFixed(1)} s`)
}

function say(line: string): void {
  console.error(`setup: ${line}`)
}
