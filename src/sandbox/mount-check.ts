/**
 * The last look at what of the host a sandbox gets to see. The engine follows symbolic links in a
 * mount's source as root, so a link in a repository could mount the host's /etc: every component
 * below a trusted directory is looked at without following, and nothing outside is mounted at all.
 * Between this check and the create call only the orchestrator writes in those directories.
 */
import type { Stats } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, normalize, relative, sep } from 'node:path'
import { OpenExecError } from '../schema/index.ts'

export interface SandboxMount {
  /** Absolute path of a directory or file of the host. */
  source: string
  /** Absolute path inside: /workspace or below /openexec. */
  target: string
  readOnly: boolean
  /** An overlay that the orchestrator mounted there; the receipt says whether it came along. */
  overlay?: boolean
}

export interface MountTrust {
  /** Directories of the host that only the orchestrator fills. */
  roots: readonly string[]
  /** Directories that may only be mounted read-only: the repository's own objects. */
  readOnlyRoots: readonly string[]
  /** Users that may own what is mounted from `roots`, besides root. */
  owners: readonly number[]
  /** The engine's own directory. */
  engineRoot: string
}

const MOUNTS_MAX = 64
const NEVER = ['/run', '/var/run', '/var/lib/docker', '/proc', '/sys', '/dev', '/etc', '/boot']
const TARGET = /^\/(?:workspace|openexec\/[A-Za-z0-9._-]{1,128})$/
/** Single files that git inside must find as they are, whatever the directory around them allows. */
const PINNED = /^\/(?:workspace\/\.git|openexec\/[A-Za-z0-9._-]{1,128}\/info\/alternates)$/
const OTHERS_WRITE = 0o002
const STICKY = 0o1000

/**
 * Checks all mounts of a sandbox and gives them back with their sources resolved. Throws
 * `workspace_failed` and names the component at fault.
 */
export async function checkMounts(
  mounts: readonly SandboxMount[],
  trust: MountTrust,
): Promise<SandboxMount[]> {
  if (mounts.length > MOUNTS_MAX)
    throw new OpenExecError(
      'workspace_failed',
      `Cannot mount ${mounts.length} directories: the limit is ${MOUNTS_MAX}`,
    )
  const targets = mounts.map(({ target }) => target)
  const twice = targets.find((target, index) => targets.indexOf(target) !== index)
  if (twice !== undefined)
    throw new OpenExecError('workspace_failed', `Cannot mount two directories on "${twice}"`)
  return Promise.all(mounts.map((mount) => checkMount(mount, trust)))
}

async function checkMount(mount: SandboxMount, trust: MountTrust): Promise<SandboxMount> {
  const { source, target } = mount
  const allowed = TARGET.test(target) || (PINNED.test(target) && mount.readOnly)
  if (!allowed || target.split('/').some((part) => part === '.' || part === '..'))
    throw refused(mount, 'its target is neither /workspace nor directly below /openexec')
  if (!isAbsolute(source) || normalize(source) !== source || source.includes('\0'))
    throw refused(mount, 'its source is not a plain absolute path')
  const writable = trust.roots.find((root) => isWithin(root, source))
  const root = writable ?? trust.readOnlyRoots.find((candidate) => isWithin(candidate, source))
  if (root === undefined) throw refused(mount, 'its source is in no directory of this run')
  if (writable === undefined && !mount.readOnly)
    throw refused(mount, 'its source may only be mounted read-only')
  const owners = writable === undefined ? undefined : trust.owners
  const resolved = await resolveSource(mount, root, owners)
  const forbidden = [...NEVER, trust.engineRoot].find((path) => isWithin(path, resolved))
  if (resolved === '/' || forbidden !== undefined)
    throw refused(mount, `"${resolved}" is a directory of the system`)
  return { ...mount, source: resolved }
}

/** The root may be reached through links, as /tmp is on macOS; it and what is below may not be one. */
async function resolveSource(
  mount: SandboxMount,
  root: string,
  owners: readonly number[] | undefined,
): Promise<string> {
  try {
    const top = await realpath(dirname(root))
    await checkAncestors(mount, top)
    const rest = relative(root, mount.source).split(sep).filter(Boolean)
    let path = top
    for (const part of [basename(root), ...rest]) {
      path = join(path, part)
      const stats = await lstat(path)
      if (stats.isSymbolicLink()) throw refused(mount, `"${path}" is a symbolic link`)
      if (owners !== undefined) checkOwner(mount, path, stats, owners)
    }
    checkKind(mount, path, await lstat(path))
    return path
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    throw new OpenExecError(
      'workspace_failed',
      `Cannot mount "${mount.source}": it cannot be looked at`,
      {
        cause,
      },
    )
  }
}

/** Whoever may write in an ancestor could put another directory in the place of the checked one. */
async function checkAncestors(mount: SandboxMount, path: string): Promise<void> {
  for (let ancestor = path; ; ancestor = dirname(ancestor)) {
    const { mode } = await lstat(ancestor)
    if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0)
      throw refused(mount, `everybody may write in "${ancestor}"`)
    if (ancestor === dirname(ancestor)) return
  }
}

function checkOwner(mount: SandboxMount, path: string, stats: Stats, owners: readonly number[]) {
  if (stats.uid !== 0 && !owners.includes(stats.uid))
    throw refused(mount, `"${path}" belongs to user ${stats.uid}`)
}

function checkKind(mount: SandboxMount, path: string, stats: Stats): void {
  const file = stats.isFile() && stats.nlink === 1
  if (!stats.isDirectory() && !file)
    throw refused(mount, `"${path}" is neither a directory nor a file with one name`)
}

function isWithin(root: string, path: string): boolean {
  const rest = relative(root, path)
  return rest === '' || (rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest))
}

function refused({ source, target }: SandboxMount, problem: string): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    `Cannot mount "${source}" on "${target}": ${problem}`,
    {
      details: { source, target },
    },
  )
}
