/**
 * Takes objects out of a git directory the sandbox could write, without git ever running there: each
 * loose object is unpacked within a bound, must hash to its name, and is written again by us; packs
 * are handed to `index-pack` as a stream, which checks them whole.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { deflateSync, inflateSync } from 'node:zlib'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import { type ObjectFormat, openRegular, readPieces, readWhole } from './content.ts'
import { closingAfter, Directory } from './directory.ts'
import { type GitPlace } from './git-environment.ts'
import { type GitCaller, gitStream } from './git.ts'
import { feed } from './git-process.ts'
import { atPath, locate } from './parents.ts'
import { pauser } from './walk.ts'

export interface ImportLimits {
  /** Loose objects and packs. */
  files: number
  /** Bytes as they lie there, in sum. */
  bytes: number
  /** Bytes of one loose object, unpacked. */
  objectBytes: number
}

export const IMPORT_LIMITS: ImportLimits = {
  files: 200_000,
  bytes: 2 * 1024 ** 3,
  objectBytes: 256 * 1024 ** 2,
}

/** Copies every sound object below `<gitDir>/objects` into the place; unsound ones are left out. */
export async function importObjects(
  caller: GitCaller,
  hostileGitDir: string,
  target: { place: GitPlace; format: ObjectFormat; limits: ImportLimits },
): Promise<void> {
  const { limits } = target
  const pause = pauser(caller.signal)
  let files = 0
  let bytes = 0
  const count = (size: number): void => {
    files += 1
    bytes += size
    if (files > limits.files || bytes > limits.bytes) throw tooMuch()
  }
  const root = Directory.open(hostileGitDir)
  await closingAfter([root], async () => {
    for (const { path: below, kind } of objectFiles(root)) {
      await pause()
      const file = atPath(root, below, (parent, name) =>
        parent.lstat(name)?.isFile() === true ? openRegular(parent, name) : undefined,
      )
      if (file === undefined) continue
      try {
        count(file.size)
        const pieces = readPieces(file)
        if (kind === 'pack') await indexPack(caller, target.place, { pieces, limits })
        else if (file.size <= limits.objectBytes) takeLoose(readWhole(file), below, target)
      } finally {
        file.close()
      }
    }
  })
}

function* objectFiles(root: Directory): Generator<{ path: BytePath; kind: 'loose' | 'pack' }> {
  for (const name of namesIn(root, 'objects')) {
    const kind = name === 'pack' ? 'pack' : 'loose'
    if (kind === 'loose' && !/^[0-9a-f]{2}$/.test(name)) continue
    const pattern = kind === 'pack' ? /^pack-[0-9a-f]+\.pack$/ : /^[0-9a-f]{38}([0-9a-f]{24})?$/
    for (const file of namesIn(root, `objects/${name}`)) {
      if (pattern.test(file)) yield { path: `objects/${name}/${file}`, kind }
    }
  }
}

function* namesIn(root: Directory, below: BytePath): Generator<BytePath> {
  const located = locate(root, `${below}/.`)
  if (located === undefined) return
  try {
    for (const { name } of located.parent.entries()) yield name
  } finally {
    located.parent.close()
  }
}

function takeLoose(
  packed: Buffer | undefined,
  below: BytePath,
  target: { place: GitPlace; format: ObjectFormat; limits: ImportLimits },
): void {
  if (packed === undefined) return
  let content: Buffer
  try {
    content = inflateSync(packed, { maxOutputLength: target.limits.objectBytes })
  } catch {
    // Damaged, or a bomb: whatever needs it will be missed when the commits are checked.
    return
  }
  const oid = below.slice('objects/'.length).replace('/', '')
  if (createHash(target.format).update(content).digest('hex') !== oid) return
  if (!hasHeader(content)) return
  const file = path.join(target.place.gitDir, 'objects', oid.slice(0, 2), oid.slice(2))
  if (fs.existsSync(file)) return
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  fs.writeFileSync(file, deflateSync(content, { level: 1 }))
}

function hasHeader(content: Buffer): boolean {
  const end = content.subarray(0, 32).indexOf(0)
  const header = /^(?:blob|tree|commit|tag) (\d+)$/.exec(
    content.toString('latin1', 0, Math.max(0, end)),
  )
  return header !== null && Number(header[1]) === content.length - end - 1
}

async function indexPack(
  caller: GitCaller,
  place: GitPlace,
  pack: { pieces: Iterable<Buffer>; limits: ImportLimits },
): Promise<void> {
  const limit = `--max-input-size=${pack.limits.bytes}`
  const stream = gitStream(caller, place, ['index-pack', '--stdin', '--threads=1', limit])
  stream.stdout.resume()
  try {
    for (const piece of pack.pieces) await feed(stream, piece)
    stream.stdin.end()
    await stream.done
  } finally {
    stream.kill()
  }
}

function tooMuch(): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    'Cannot take the commits of the run: too many objects',
    {
      hint: 'Take the changed files instead; they are in the last snapshot',
      details: { limit: 'objects' },
    },
  )
}
