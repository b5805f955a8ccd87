import type { Probed } from '../sandbox/index.ts'

/**
 * First release of each line in which nothing known lets a repository run code while it is cloned or
 * checked out. No run does either with submodules or hooks; a fixed git is a second wall.
 */
const FIXED: Readonly<Record<string, number>> = {
  '2.43': 7,
  '2.44': 4,
  '2.45': 4,
  '2.46': 4,
  '2.47': 3,
  '2.48': 2,
  '2.49': 1,
  '2.50': 1,
}
const NEWEST_FIXED_LINE = 50

/** A distribution may have mended an older version, which its number does not tell. */
export function judgeGit(version: string): Probed {
  const [, line = '', minor = '', patch = ''] = /^(\d+\.(\d+))\.(\d+)/.exec(version) ?? []
  if (line === '') return { has: 'unknown', evidence: `git ${version}` }
  const fixed = FIXED[line]
  const isNew =
    !line.startsWith('2.') ||
    Number(minor) > NEWEST_FIXED_LINE ||
    (fixed !== undefined && Number(patch) >= fixed)
  if (isNew) return { has: 'yes', evidence: `git ${version}` }
  const wanted = fixed === undefined ? '2.43.7 or 2.50.1' : `${line}.${fixed}`
  return {
    has: 'unknown',
    evidence: `git ${version}, fixed in ${wanted}; a distribution may have mended it`,
  }
}
