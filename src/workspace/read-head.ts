/**
 * What is checked out, read from the files git keeps it in: it is asked on the way of every run, and
 * a process costs more than all of these reads. Whatever is not plain is left to git.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { FoundRepository } from './find-repository.ts'

export interface ReadHead {
  oid: string
  /** Undefined while no branch is checked out. */
  branch: string | undefined
}

const HEAD_BYTES_MAX = 4096
const PACKED_REFS_BYTES_MAX = 64 * 1024 * 1024
const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
/** Component by component: nothing that leads out of the directory of refs. */
const BRANCH_REF =
  /^refs\/heads\/((?:(?!\.)[^\s/\\~^:?*[\]\p{C}]+\/)*(?!\.)[^\s/\\~^:?*[\]\p{C}]+)$/u

/** Undefined when git has to be asked: no commit yet, links, refs of refs. */
export function readHead(found: FoundRepository): ReadHead | undefined {
  const head = readSmall(path.join(found.gitDir, 'HEAD'))
  if (head === undefined) return undefined
  if (OID.test(head)) return { oid: head, branch: undefined }
  const ref = head.startsWith('ref: ') ? head.slice('ref: '.length) : ''
  const branch = BRANCH_REF.exec(ref)?.[1]
  if (branch === undefined) return undefined
  const oid = readRef(found.commonDir, ref)
  return oid === undefined ? undefined : { oid, branch }
}

/** What a branch points to, where that is kept plainly. */
export function readRef(commonDir: string, ref: string): string | undefined {
  const loose = path.join(commonDir, ref)
  const oid = fs.existsSync(loose) ? readSmall(loose) : packedOid(commonDir, ref)
  return oid !== undefined && OID.test(oid) ? oid : undefined
}

function readSmall(file: string): string | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (stat?.isFile() !== true || stat.size > HEAD_BYTES_MAX) return undefined
  return fs.readFileSync(file, 'utf8').trimEnd()
}

function packedOid(commonDir: string, ref: string): string | undefined {
  const file = path.join(commonDir, 'packed-refs')
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (stat?.isFile() !== true || stat.size > PACKED_REFS_BYTES_MAX) return undefined
  const text = fs.readFileSync(file, 'latin1')
  const name = Buffer.from(ref, 'utf8').toString('latin1')
  const end = `${text}\n`.indexOf(` ${name}\n`)
  return end < 0 ? undefined : text.slice(text.lastIndexOf('\n', end) + 1, end)
}
