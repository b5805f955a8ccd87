/**
 * The git directory the sandbox works with. It is made whole by us, shares nothing writable with the
 * user's repository, and reaches its history only through object directories mounted read-only.
 */
import fs from 'node:fs'
import path from 'node:path'
import { type GitCaller, gitStream } from './git.ts'
import {
  alternateLine,
  BYTE_EXACT_ATTRIBUTES,
  FIXED_IDENTITY,
  repositoryConfig,
} from './object-store.ts'
import { type Source, sourcePlace } from './open-source.ts'
import { remembered, stampFiles, stampTree } from './repository-memory.ts'
import type { Slot } from './slot.ts'

/** Paths as the sandbox sees them. */
export const WORKSPACE_TARGET = '/workspace'
export const GIT_TARGET = '/openexec/git'
export const GIT_FILE = `gitdir: ${GIT_TARGET}\n`

export function objectsTarget(position: number): string {
  return position === 0 ? '/openexec/objects' : `/openexec/objects-${position}`
}

const REFS_BYTES_MAX = 4 * 1024 * 1024
const EXCLUDE_BYTES_MAX = 64 * 1024

/** Writes everything but objects and index; `full` history brings branches and tags along. */
export async function writePrivateGitDir(
  caller: GitCaller,
  source: Source,
  inside: { slot: Slot; runId: string; commit: string; history: 'full' | 'head' | 'filtered' },
): Promise<void> {
  const { slot, runId, commit, history } = inside
  const branch = `refs/heads/openexec/${runId}`
  for (const below of [
    'objects/info',
    'objects/pack',
    'refs/heads/openexec',
    'refs/tags',
    'info',
  ]) {
    fs.mkdirSync(path.join(slot.git, below), { recursive: true, mode: 0o755 })
  }
  const write = (name: string, content: string): void => {
    fs.writeFileSync(path.join(slot.git, name), content, { mode: 0o644 })
  }
  write('HEAD', `ref: ${branch}\n`)
  write(branch, `${commit}\n`)
  write('config', repositoryConfig(source.objectFormat, CORE_LINES) + OTHER_CONFIG)
  write('info/attributes', BYTE_EXACT_ATTRIBUTES)
  write('info/exclude', readExclude(source.commonDir))
  if (history === 'head') write('shallow', `${commit}\n`)
  if (history !== 'full') return
  write('objects/info/alternates', `${alternates(source).join('\n')}\n`)
  if (source.shallow) {
    fs.copyFileSync(path.join(source.commonDir, 'shallow'), path.join(slot.git, 'shallow'))
  }
  const { memory } = caller.program
  const facts = memory === undefined ? undefined : refsFacts(source)
  const question = { name: 'refs', facts, weigh: (text: string) => text.length * 2 }
  write('packed-refs', await remembered(memory, question, () => packedRefs(caller, source)))
}

const CORE_LINES = [
  '\tbare = false',
  '\tfilemode = true',
  '\tlogallrefupdates = true',
  `\tworktree = ${WORKSPACE_TARGET}`,
  '\tautocrlf = false',
  '\tfsmonitor = false',
  '\tuntrackedCache = false',
  // Inode, owner and ctime may read otherwise inside; times of the files are old enough to be told
  // from any later write.
  '\tcheckStat = minimal',
  '\ttrustctime = false',
]

const OTHER_CONFIG = `[user]
\tname = ${FIXED_IDENTITY.name}
\temail = ${FIXED_IDENTITY.email}
[gc]
\tauto = 0
[maintenance]
\tauto = false
[commit]
\tgpgSign = false
`

function alternates(source: Source): string[] {
  return source.objectDirs.map((_, position) => alternateLine(objectsTarget(position)))
}

function readExclude(commonDir: string): string {
  const file = path.join(commonDir, 'info/exclude')
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size <= EXCLUDE_BYTES_MAX
    ? fs.readFileSync(file, 'utf8')
    : ''
}

/** Branches and tags beyond which they are asked for anew each time. */
const REFS_KNOWN_MAX = 2_000

/** All that decides what refs there are; the runs' own are elsewhere. */
function refsFacts({ commonDir }: Source): string[] | undefined {
  const refs = path.join(commonDir, 'refs')
  const loose = stampTree(refs, { entriesMax: REFS_KNOWN_MAX, skip: () => false })
  const packed = stampFiles([path.join(commonDir, 'packed-refs')])
  return loose && packed && [commonDir, ...packed, ...loose]
}

/** Branches, remote branches and tags of the source, so that `git describe` and `main..` work. */
async function packedRefs(caller: GitCaller, source: Source): Promise<string> {
  const format = '%(objectname) %(refname) %(*objectname)'
  const args = ['for-each-ref', `--format=${format}`, 'refs/heads', 'refs/remotes', 'refs/tags']
  const stream = gitStream(caller, sourcePlace(source), args)
  let text = ''
  try {
    for await (const chunk of stream.stdout) {
      text += String(chunk)
      // Beyond this, the branch of the run is all there is.
      if (text.length > REFS_BYTES_MAX) return PACKED_REFS_HEADER
    }
    await stream.done
  } finally {
    stream.kill()
  }
  const lines = text.split('\n').flatMap((line) => {
    const [oid = '', ref = '', peeled = ''] = line.split(' ')
    if (oid === '' || ref.startsWith('refs/heads/openexec/')) return []
    return peeled === '' ? [`${oid} ${ref}`] : [`${oid} ${ref}`, `^${peeled}`]
  })
  return `${[PACKED_REFS_HEADER.trimEnd(), ...lines].join('\n')}\n`
}

const PACKED_REFS_HEADER = '# pack-refs with: peeled fully-peeled sorted \n'
