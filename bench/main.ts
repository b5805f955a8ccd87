/** `npm run bench -- --only ID,… --json FILE`: side by side with what a user would pick instead. */
import Table from 'cli-table3'
import { writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { type MeasuredRow, measure } from './measure.ts'
import { repair, showRepaired } from './repair/repair.ts'
import { ROWS } from './rows/index.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    list: { type: 'boolean' },
    live: { type: 'boolean' },
    model: { type: 'string' },
    tasks: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})

process.exitCode = await main()

async function main(): Promise<number> {
  if (values.help === true) {
    console.log(
      'npm run bench -- [--list] [--only ID,…] [--json FILE]\nnpm run bench -- --only repair [--tasks ID,…] [--live [--model provider/model]]\n\nThe exit code tells whether every row met its target.',
    )
    return 0
  }
  if (values.list === true) {
    for (const row of ROWS) console.log(`${row.id.padEnd(18)} ${row.what} — target ${row.target}`)
    console.log(`${'repair'.padEnd(18)} small bugs repaired by an agent — target all of them`)
    return 0
  }
  if (values.only === 'repair') return await benchRepair()
  const only = values.only?.split(',')
  const unknown = only?.filter((id) => !ROWS.some((row) => row.id === id)) ?? []
  if (unknown.length > 0) {
    console.error(
      `Cannot measure "${unknown.join(', ')}": known rows are ${ROWS.map((row) => row.id).join(', ')}`,
    )
    return 2
  }
  const measured: MeasuredRow[] = []
  for (const row of ROWS.filter(({ id }) => only === undefined || only.includes(id))) {
    console.error(`measuring ${row.id}: ${row.what} (${row.rounds} rounds) …`)
    measured.push(await measure(row))
  }
  print(measured)
  if (values.json !== undefined)
    await writeFile(
      values.json,
      `${JSON.stringify({ machine: machine(), rows: measured }, undefined, 2)}\n`,
    )
  return measured.every((row) => row.ok) ? 0 : 1
}

/** No peer to compare with: what counts is that every task is repaired, and what it costs. */
async function benchRepair(): Promise<number> {
  const { live = false, model } = values
  const all = await repair({ live, model, tasks: values.tasks?.split(',') })
  console.log(showRepaired(all))
  if (values.json !== undefined)
    await writeFile(
      values.json,
      `${JSON.stringify({ machine: machine(), tasks: all }, undefined, 2)}\n`,
    )
  return all.length > 0 && all.every(({ ok }) => ok) ? 0 : 1
}

function print(rows: readonly MeasuredRow[]): void {
  const table = new Table({
    head: ['id', 'what', 'ours p50', 'p99', 'peer', 'p50', 'p99', 'ratio', 'target', 'ok'],
    style: { head: [], border: [] },
  })
  for (const { id, what, unit, ours, peer, ratio, target, ok } of rows)
    table.push([
      id,
      what,
      `${ours.p50} ${unit}`,
      `${ours.p99}`,
      peer.name,
      `${peer.p50} ${unit}`,
      `${peer.p99}`,
      `${ratio}`,
      target,
      ok ? 'yes' : 'NO',
    ])
  console.log(table.toString())
}

function machine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_bytes: totalmem(),
    kernel: release(),
    node: process.version,
  }
}
