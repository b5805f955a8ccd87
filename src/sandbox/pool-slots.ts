/**
 * Where warm sandboxes have their slots before a run claims one: a directory for each process, named
 * after it, so that what a process left that was killed is known for nobody's.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ownerState } from './process-owner.ts'

const NAME = /^(\d{1,10})_([^@_]{1,64})_([0-9a-f]{16})$/

/** The directory of a process, made when it is missing. */
export function poolDirectory(directory: string, owner: string): string {
  const own = join(directory, owner.replace(/[:@]/g, '_'))
  mkdirSync(own, { recursive: true, mode: 0o700 })
  return own
}

/** Removes the slots of dead processes; gives their directories. No task has ever run in them. */
export async function sweepPoolSlots(directory: string): Promise<string[]> {
  const names = existsSync(directory) ? readdirSync(directory) : []
  const dead = names.filter((name) => {
    const [, pid, start, place] = NAME.exec(name) ?? []
    return pid !== undefined && ownerState(`${pid}:${start}@${place}`) === 'dead'
  })
  await Promise.all(dead.map((name) => rm(join(directory, name), { recursive: true, force: true })))
  return dead.map((name) => join(directory, name))
}
