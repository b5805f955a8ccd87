/**
 * Where objects of strangers lie until they were checked: a bare repository of its own beside those
 * they may build on. Only what passed moves over, whole packs by their content's name; a process that
 * is killed leaves a directory that the next sweep removes, and nothing else.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { tryProcessLock } from '../state/index.ts'
import { barePlace, type GitPlace } from './git-environment.ts'
import type { KeptSource } from './kept-source.ts'
import { copyShallow, makeBareRepository } from './object-store.ts'

export interface Quarantine {
  gitDir: string
  place: GitPlace
  /** Moves its packs to where they count. */
  adopt(): void
}

const PREFIX = 'incoming-'

/** Whatever `work` leaves that was not adopted is removed. */
export async function inQuarantine<T>(
  kept: KeptSource,
  work: (quarantine: Quarantine) => Promise<T>,
): Promise<T> {
  const { gitDir, unlock } = claimPlace(kept)
  try {
    const borrowsFrom = path.join(kept.gitDir, 'objects')
    makeBareRepository(gitDir, { objectFormat: kept.objectFormat, borrowsFrom })
    copyShallow(kept.gitDir, gitDir)
    return await work({ gitDir, place: barePlace(gitDir), adopt: () => adopt(gitDir, kept) })
  } finally {
    fs.rmSync(gitDir, { recursive: true, force: true })
    unlock()
    fs.rmSync(`${gitDir}.lock`, { force: true })
  }
}

const TRIES = 10

/** The lock comes first; a sweep that was quicker than that has the place removed, so it is left. */
function claimPlace(kept: KeptSource): { gitDir: string; unlock(): void } {
  for (let left = TRIES; left > 0; left--) {
    const gitDir = path.join(kept.gitDir, `${PREFIX}${randomBytes(8).toString('hex')}`)
    const unlock = tryProcessLock(`${gitDir}.lock`)
    if (unlock !== undefined) return { gitDir, unlock }
  }
  throw new OpenExecError('workspace_failed', 'Cannot lock a place for what comes in')
}

/** Those whose process is gone. */
export function sweepQuarantines({ gitDir }: KeptSource): void {
  const names = fs.existsSync(gitDir) ? fs.readdirSync(gitDir) : []
  const found = names
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => path.join(gitDir, name.replace(/\.lock(?:-journal)?$/, '')))
  for (const directory of new Set(found)) {
    const unlock = tryProcessLock(`${directory}.lock`)
    if (unlock === undefined) continue
    try {
      fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    } finally {
      unlock()
    }
    fs.rmSync(`${directory}.lock`, { force: true })
  }
}

/** The index comes last: a pack counts from then on. */
const ORDER = ['.pack', '.rev', '.idx']

function adopt(from: string, kept: KeptSource): void {
  const [here, there] = [from, kept.gitDir].map((gitDir) => path.join(gitDir, 'objects/pack'))
  if (here === undefined || there === undefined) return
  const names = fs.readdirSync(here).filter((name) => /^pack-[0-9a-f]+\.\w+$/.test(name))
  const rank = (name: string): number => ORDER.indexOf(path.extname(name))
  for (const name of names.toSorted((one, other) => rank(one) - rank(other))) {
    if (rank(name) >= 0) fs.renameSync(path.join(here, name), path.join(there, name))
  }
}
