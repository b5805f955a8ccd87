/**
 * Forgets the results of runs that are no longer kept: first their refs, then the objects nothing
 * reaches any more. Young objects stay, because a run at work may not have named them yet.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { barePlace } from './git-environment.ts'
import { type GitCaller, gitFed, gitStream, gitTry } from './git.ts'
import { listObjectStores } from './object-store.ts'
import { nulRecords } from './records.ts'

export interface PrunedStores {
  /** Refs that were removed. */
  refs: number
  /** Stores whose objects could not be looked through, such as those of a deleted repository. */
  skipped: string[]
}

/** Objects younger than this stay. */
const YOUNG = '2.hours.ago'
const YOUNG_MS = 2 * 3_600_000

/** Asked once the refs of a store are known. */
export type KeptRefs = () => { runs: ReadonlySet<string>; bases: ReadonlySet<string> }

export async function pruneStores(
  caller: GitCaller,
  stateDir: string,
  kept: KeptRefs,
): Promise<PrunedStores> {
  const pruned: PrunedStores = { refs: 0, skipped: [] }
  for (const { gitDir } of listObjectStores(stateDir)) {
    const place = barePlace(gitDir)
    try {
      const refs = await refsOf(caller, gitDir)
      const { runs, bases } = kept()
      const gone = refs.filter((ref) => !isKept(gitDir, ref, { runs, bases }))
      const input = gone.map((ref) => `delete ${ref}\n`).join('')
      if (gone.length > 0) await gitFed(caller, place, { args: ['update-ref', '--stdin'], input })
      pruned.refs += gone.length
      const steps = [
        ['repack', '-A', '-d', '-l', '-q', `--unpack-unreachable=${YOUNG}`],
        ['prune', `--expire=${YOUNG}`],
      ]
      for (const step of gone.length === 0 ? [] : steps) {
        if ((await gitTry(caller, place, step)).code === 0) continue
        pruned.skipped.push(gitDir)
        break
      }
    } catch (error) {
      if (error instanceof OpenExecError && error.code === 'cancelled') throw error
      pruned.skipped.push(gitDir)
    }
  }
  return pruned
}

async function refsOf(caller: GitCaller, gitDir: string): Promise<string[]> {
  const args = ['for-each-ref', '--format=%(refname)%00', 'refs/openexec']
  const listing = gitStream(caller, barePlace(gitDir), args)
  const refs: string[] = []
  try {
    for await (const records of nulRecords(listing.stdout))
      for (const record of records) if (record.trim() !== '') refs.push(record.trim())
    await listing.done
    return refs
  } finally {
    listing.kill()
  }
}

function isKept(gitDir: string, ref: string, { runs, bases }: ReturnType<KeptRefs>): boolean {
  const [, , kind = '', name = ''] = ref.split('/')
  if (kind === 'runs') return runs.has(name)
  // A base is written before its run is.
  if (kind === 'base') return bases.has(name) || isYoung(path.join(gitDir, ref))
  return false
}

function isYoung(file: string): boolean {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs < YOUNG_MS
}
