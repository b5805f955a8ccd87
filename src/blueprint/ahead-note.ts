/**
 * Who answers for a slot that was made before there is a run to own it: a file in the directory of
 * the process, which goes with the process.
 */
import { existsSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunId } from '../schema/index.ts'
import { poolDirectory, processOwner } from '../sandbox/index.ts'

export function noteAhead(root: string, run: RunId): void {
  writeFileSync(join(ownPlace(root), run), '', { mode: 0o600 })
}

/** Safe to repeat. */
export function forgetAhead(root: string, run: RunId): void {
  const place = ownPlace(root)
  rmSync(join(place, run), { force: true })
  try {
    rmdirSync(place)
  } catch {
    // Something else of this process is in it.
  }
}

/** Whether a process that may live has made it; those known to be dead are swept before. */
export function isNotedAhead(root: string, run: string): boolean {
  const places = join(root, 'pool')
  if (!existsSync(places)) return false
  return readdirSync(places).some((place) => existsSync(join(places, place, run)))
}

function ownPlace(root: string): string {
  return poolDirectory(join(root, 'pool'), processOwner())
}
