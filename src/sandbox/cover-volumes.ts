/**
 * A path an image declares as a volume would become an anonymous, writable, unlimited directory on
 * the host. A small tmpfs over it keeps the root read-only in fact and the engine from creating one.
 */
import { posix } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { ResolvedImage } from './images.ts'

const COVER = 'rw,nosuid,nodev,noexec,size=67108864,nr_inodes=16384,mode=1777'
const COVERS_MAX = 64
const PATH_MAX = 1024
/** A mount on one of these, or below, would hide what the sandbox itself stands on. */
const RESERVED = ['/proc', '/sys', '/dev', '/.openexec', '/openexec']
const RESERVED_EXACT = ['/', '/etc', '/bin', '/lib', '/usr', '/usr/bin', '/usr/lib']
/** A mount point below it would be created in the worktree on the host. */
const WORKSPACE = '/workspace'

/** Engine tmpfs options for each declared volume that nothing else of ours is mounted on. */
export function coverVolumes(
  image: ResolvedImage,
  taken: readonly string[],
): Record<string, string> {
  const paths = image.config.volumes.map((path) => normalised(image, path))
  if (paths.length > COVERS_MAX) throw refused(image, `it declares more than ${COVERS_MAX} volumes`)
  return Object.fromEntries(
    paths.filter((path) => !taken.includes(path)).map((path) => [path, COVER]),
  )
}

function normalised(image: ResolvedImage, declared: string): string {
  const path = posix.normalize(declared).replace(/(?<=.)\/$/, '')
  const sound = path.startsWith('/') && path.length <= PATH_MAX && !/[\0:]/.test(path)
  if (!sound || isReserved(path))
    throw refused(image, `its volume ${JSON.stringify(declared)} cannot be covered`)
  return path
}

function isReserved(path: string): boolean {
  return (
    RESERVED_EXACT.includes(path) ||
    path.startsWith(`${WORKSPACE}/`) ||
    RESERVED.some((root) => path === root || path.startsWith(`${root}/`))
  )
}

function refused(image: ResolvedImage, problem: string): OpenExecError {
  return new OpenExecError(
    'confinement_unsupported',
    `Cannot use image "${image.name}": ${problem}`,
    {
      hint: 'Build an image from it without that VOLUME, or use another image',
      details: { image: image.name },
    },
  )
}
