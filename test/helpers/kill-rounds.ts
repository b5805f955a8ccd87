/**
 * Kills the process of one run again and again, each time at a random moment, and lets the next one go
 * on: after each kill the state directory is brought in order, and in the end the output is held
 * against what the command has written, byte for byte.
 */
import fs from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bodyOf } from '../../src/cli/client.ts'
import type { Run } from '../../src/schema/index.ts'
import { testEngine } from './docker.ts'
import { timelineOf } from './run-looks.ts'
import type { EndedRun, RunWorld } from './run-world.ts'

export interface KillReport {
  kills: number
  /** How often the command went on, and how often its attempt was repeated. */
  reattached: number
  repeated: number
  /** From the kill until nothing is left but what can be gone on with, in `ms`, ascending. */
  cleanMs: number[]
  problems: string[]
}

/** The same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface Workload {
  bursts: number
  /** Lines of each; a burst above the window makes the command wait for whoever comes next. */
  lines: number
}

const PADDING = 'abcdefghijklmnopqrstuvwxyz'

function scriptOf({ bursts, lines }: Workload): string {
  const burst = `seq -f "$i %g ${PADDING}" ${lines}; echo "note $i" >&2; sleep 0.1`
  return `for i in $(seq ${bursts}); do ${burst}; done; exit 7`
}

function expectedOf({ bursts, lines }: Workload): { stdout: string; stderr: string } {
  const numbers = Array.from({ length: bursts }, (_, index) => index + 1)
  const burst = (i: number) =>
    Array.from({ length: lines }, (_, line) => `${i} ${line + 1} ${PADDING}\n`).join('')
  return {
    stdout: numbers.map(burst).join(''),
    stderr: numbers.map((i) => `note ${i}\n`).join(''),
  }
}

/** One run, killed up to `kills` times within `spanMs` of each process. */
export async function killRun(
  world: RunWorld,
  random: () => number,
  options: { workload: Workload; kills: number; spanMs: number },
): Promise<KillReport> {
  const { workload, kills, spanMs } = options
  const cleanMs: number[] = []
  const problems: string[] = []
  const first = world.begun({ command: ['sh', '-c', scriptOf(workload)] })
  const run = await first.run
  let child: Pick<typeof first, 'exit' | 'kill'> = first
  let killed = 0
  for (;;) {
    // Now and then before the command runs at all; most often while it does.
    const early = random() < 0.2
    const wait = async () => {
      if (!early) await grown(world, run)
      await delay(random() * spanMs)
      return 'alive'
    }
    if ((await Promise.race([child.exit, wait()])) !== 'alive') break
    await child.kill()
    killed++
    const before = performance.now()
    await world.reopen()
    await bodyOf(world.client.v1.gc.$post({ json: { olderThanMs: 3_600_000, keep: 20 } }))
    cleanMs.push(performance.now() - before)
    problems.push(...(await unwanted(world, run)))
    if (killed === kills || !(await isPaused(world, run))) break
    child = world.resumedElsewhere(run)
  }
  const ended = (await isPaused(world, run)) ? await world.resume(run) : await world.follow(run)
  problems.push(...(await wrongIn(world, ended, workload)))
  const told = ended.events.filter(({ type }) => type === 'run_recovered')
  const reattached = told.filter(({ payload }) => payload['reattached'] === true).length
  return { kills: killed, reattached, repeated: told.length - reattached, cleanMs, problems }
}

/** Waits until more output of a run is stored, for a while at most. */
export async function grown(world: RunWorld, run: Run): Promise<void> {
  const before = storedBytes(world, run)
  for (let tries = 0; tries < 400 && storedBytes(world, run) === before; tries++) await delay(25)
}

function storedBytes({ stateDir }: RunWorld, { id }: Run): number {
  const output = join(stateDir, 'runs', id, 'output')
  if (!fs.existsSync(output)) return 0
  const sizeOf = (name: string) => fs.statSync(join(output, name), { throwIfNoEntry: false })?.size
  const streams = fs.readdirSync(output).filter((name) => name.endsWith('.stdout'))
  return streams.reduce((sum, name) => sum + (sizeOf(name) ?? 0), 0)
}

async function isPaused({ client }: RunWorld, { id }: Run): Promise<boolean> {
  const { status } = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
  return status === 'paused'
}

/** Of the run at most one running container and its slot may be there, and only together. */
async function unwanted({ stateDir }: RunWorld, { id }: Run): Promise<string[]> {
  const instance = createHash('sha256').update(stateDir).digest('hex').slice(0, 16)
  const filters = { label: [`openexec.instance=${instance}`] }
  const found = await testEngine().docker.listContainers({ all: true, filters })
  const work = join(stateDir, 'work')
  const slots = fs.existsSync(work) ? fs.readdirSync(work) : []
  const areRunning = found.every(({ State }) => State === 'running')
  if (areRunning && found.length <= 1 && slots.length === found.length) return []
  return [
    `${id}: ${found.length} containers (${found.map(({ State }) => State).join()}), slots ${slots.join()}`,
  ]
}

async function wrongIn(world: RunWorld, ended: EndedRun, workload: Workload): Promise<string[]> {
  const { id } = ended.run
  const problems: string[] = []
  const last = ended.ends.at(-1) ?? ''
  // Attempts that were cut short before their command ran count as executions of the stage.
  const gaveUp = ended.result.reason === 'stage_execution_limit'
  if (gaveUp && last.endsWith('error recovered')) return problems
  if (!/^run_command\.\d+ failed exit_nonzero$/.test(last)) problems.push(`${id}: ended as ${last}`)
  const expected = expectedOf(workload)
  const step = last.split(' ')[0] ?? ''
  for (const stream of ['stdout', 'stderr'] as const) {
    const kept = await world.artifact(ended.run, `${step}.command.${stream}`)
    if (kept !== expected[stream])
      problems.push(`${id}: ${stream} of ${step} is not what was written`)
  }
  const { ok, complete, gapless, runCompleted, openSteps } = timelineOf(ended)
  if (!ok || !complete || !gapless || runCompleted !== 1 || openSteps !== 0)
    problems.push(`${id}: its timeline is not whole`)
  const audit = await bodyOf(world.client.v1.runs[':id'].audit.$get({ param: { id } }))
  if (!audit.ok) problems.push(`${id}: ${audit.problems.join(', ')}`)
  return problems
}
