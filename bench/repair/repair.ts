/**
 * `npm run bench -- --only repair [--live] [--model provider/model] [--tasks ID,…]`: how many small
 * bugs are repaired, in how many turns, tokens and USD. Without --live a scripted model knows each
 * patch, so that the figures are those of everything around the model.
 */
import Table from 'cli-table3'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Event, RunResult } from '../../src/schema/index.ts'
import { repairRepository, solution } from './repository.ts'
import type { RepairTask } from './repair-task.ts'
import { TASKS } from './tasks.ts'

const PROGRAM = new URL('../../bin/openexec.js', import.meta.url).pathname
/** Runs side by side. */
const AT_ONCE = 2

interface RepairOptions {
  live: boolean
  /** `provider/model`; the operator's own choice when undefined. */
  model: string | undefined
  /** Ids; all when undefined. */
  tasks: readonly string[] | undefined
}

interface Repaired {
  id: string
  ok: boolean
  why: string
  turns: number
  tokens: number
  costMicroUsd: number
  ms: number
}

export async function repair(options: RepairOptions): Promise<Repaired[]> {
  const left = TASKS.filter(({ id }) => options.tasks?.includes(id) ?? true)
  const done: Repaired[] = []
  const worker = async () => {
    for (let task = left.shift(); task !== undefined; task = left.shift()) {
      const one = await repairOne(task, options)
      console.error(`${one.ok ? 'repaired' : 'FAILED  '} ${one.id} in ${one.ms} ms ${one.why}`)
      done.push(one)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return done.sort((a, b) => (a.id < b.id ? -1 : 1))
}

async function repairOne(task: RepairTask, { live, model }: RepairOptions): Promise<Repaired> {
  using repository = repairRepository(task)
  const { path } = repository
  const script = join(path, '.git', 'solution.json')
  if (!live) writeFileSync(script, solution(task))
  const chosen = live ? (model === undefined ? [] : ['--model', model]) : ['--model-script', script]
  const started = performance.now()
  const argv = ['run', 'scoped_code_change', '--task', task.task, '--image', 'node', '--json', '-q']
  const stdout = await openexec(path, [...argv, ...chosen])
  const ms = Math.round(performance.now() - started)
  const result = RunResult.safeParse(jsonOf(stdout)).data
  const nothing = { id: task.id, turns: 0, tokens: 0, costMicroUsd: 0, ms }
  if (result === undefined) return { ...nothing, ok: false, why: stdout.slice(0, 300) }
  const spent = spentIn(await openexec(path, ['events', result.run, '--json']))
  const why = result.status === 'succeeded' ? '' : `${result.reason}: ${result.detail ?? ''}`
  return { ...nothing, ...spent, ok: result.status === 'succeeded', why }
}

function spentIn(lines: string): Pick<Repaired, 'turns' | 'tokens' | 'costMicroUsd'> {
  const sum = { turns: 0, tokens: 0, costMicroUsd: 0 }
  for (const line of lines.split('\n').filter((text) => text !== '')) {
    const { type, volatile } = Event.parse(JSON.parse(line))
    const spent = type === 'step_completed' ? Object(volatile['spent']) : {}
    sum.turns += Number(spent.turns ?? 0)
    sum.tokens += Number(spent.tokens ?? 0)
    sum.costMicroUsd += Number(spent.costMicroUsd ?? 0)
  }
  return sum
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function openexec(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.on('error', reject)
    child.on('close', () => resolve(stdout))
  })
}

export function showRepaired(all: readonly Repaired[]): string {
  const table = new Table({
    head: ['task', 'repaired', 'turns', 'tokens', 'USD', 'ms'],
    style: { head: [], border: [] },
  })
  for (const { id, ok, turns, tokens, costMicroUsd, ms } of all)
    table.push([id, ok ? 'yes' : 'NO', turns, tokens, usd(costMicroUsd), ms])
  const sum = (pick: (one: Repaired) => number) => all.reduce((total, one) => total + pick(one), 0)
  table.push([
    'all',
    `${all.filter(({ ok }) => ok).length} of ${all.length}`,
    sum(({ turns }) => turns),
    sum(({ tokens }) => tokens),
    usd(sum(({ costMicroUsd }) => costMicroUsd)),
    sum(({ ms }) => ms),
  ])
  return table.toString()
}

function usd(micro: number): string {
  return (micro / 1_000_000).toFixed(4)
}
