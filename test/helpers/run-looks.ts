/** Looks at the world after a run: what is left of it, and whether its timeline is whole. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { join } from 'node:path'
import { verifyTimeline } from '../../src/events/verify.ts'
import type { Event } from '../../src/schema/index.ts'
import { listSandboxes, openState } from '../../src/state/index.ts'
import { testEngine } from './docker.ts'

/** What nobody must find after the program has closed. */
export async function leftOf({
  repo,
  stateDir,
  git,
}: {
  repo: string
  stateDir: string
  git(...args: string[]): string
}): Promise<string[]> {
  const left: string[] = []
  const instance = createHash('sha256').update(stateDir).digest('hex').slice(0, 16)
  const filters = { label: [`openexec.instance=${instance}`] }
  const { docker } = testEngine()
  for (const { Id, State } of await docker.listContainers({ all: true, filters }))
    left.push(`container ${Id.slice(0, 12)} (${State})`)
  for (const { Name } of (await docker.listVolumes({ filters })).Volumes)
    left.push(`volume ${Name}`)
  for (const slot of readNames(join(stateDir, 'work'))) left.push(`slot ${slot}`)
  for (const slot of readNames(join(stateDir, 'pool'))) left.push(`slot of the pool ${slot}`)
  for (const entry of readNames(join(repo, '.git/worktrees'))) left.push(`worktree ${entry}`)
  using state = openState({ file: join(stateDir, 'openexec.db') })
  for (const { id } of listSandboxes(state.db)) left.push(`row of sandbox ${id}`)
  if (git('status', '--porcelain').includes('.openexec'))
    left.push('state directory is not ignored')
  return left
}

function readNames(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory) : []
}

/** What every ended run must show, whatever its end. */
export function timelineOf({ events }: { events: readonly Event[] }) {
  const types = events.map(({ type }) => type)
  const started = types.filter((type) => type === 'step_started').length
  const completed = types.filter((type) => type === 'step_completed').length
  const { ok, complete } = verifyTimeline(events)
  return {
    ok,
    complete,
    gapless: events.every(({ seq }, index) => seq === index + 1),
    runCompleted: types.filter((type) => type === 'run_completed').length,
    last: types.at(-1),
    openSteps: started - completed,
    sandboxes: count(types, 'sandbox_started') - count(types, 'sandbox_removed'),
    workspaces: count(types, 'workspace_created') - count(types, 'workspace_removed'),
  }
}

export const WHOLE = {
  ok: true,
  complete: true,
  gapless: true,
  runCompleted: 1,
  last: 'run_completed',
  openSteps: 0,
  sandboxes: 0,
  workspaces: 0,
}

function count(types: readonly string[], type: string): number {
  return types.filter((each) => each === type).length
}

/** A value of an event that is known to be a text. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new Error('Expected a text')
}
