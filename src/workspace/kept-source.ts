/**
 * Repositories that are kept here because their checkout is elsewhere: fetched from an address, or sent
 * by a client. Each belongs to one tenant and is shared with no other. It looks like a checkout without
 * files, so that everything that works on a user's repository works on it; nothing of it is written by
 * anyone but this program, and nothing in it was not checked.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { ObjectFormat } from './content.ts'
import { errorCode } from './directory.ts'
import { makeBareRepository } from './object-store.ts'

export interface KeptIdentity {
  tenant: string
  kind: 'url' | 'upload'
  /** The address, or what the client knows the repository by. */
  name: string
  objectFormat: ObjectFormat
  /** Commits at which history ends; of one repository with two such ends, two are kept. */
  shallow: readonly string[]
}

export interface KeptSource extends KeptIdentity {
  /** Not guessable by, and no secret from, its tenant. */
  id: string
  root: string
  gitDir: string
}

/** Commits that runs began with, as refs. */
export const HELD_DIRECTORY = 'refs/openexec/held'
/** Of one repository: so many are told to clients, and new ones are held against. */
const HELD_MAX = 1_000
const DIRECTORY = 'sources'
const IDENTITY_FILE = 'openexec-kept.json'
const USED_FILE = 'openexec-used'

/** Makes it the first time; safe to call from two processes. */
export function keepSource(stateDir: string, identity: KeptIdentity): KeptSource {
  const { tenant, kind, name, objectFormat } = identity
  const shallow = identity.shallow.toSorted()
  const parts = JSON.stringify([tenant, kind, name, objectFormat, shallow])
  const id = createHash('sha256').update(parts).digest('hex').slice(0, 32)
  const kept = { ...identity, shallow, ...placeOf(stateDir, id) }
  if (!fs.existsSync(path.join(kept.gitDir, 'HEAD'))) makeKept(kept)
  touchKept(kept)
  return kept
}

/** `undefined` for one that is not there, or belongs to somebody else. */
export function findKept(stateDir: string, id: string, tenant: string): KeptSource | undefined {
  if (!/^[0-9a-f]{32}$/.test(id)) return undefined
  const kept = readKept(stateDir, id)
  return kept?.tenant === tenant ? kept : undefined
}

export function listKept(stateDir: string): KeptSource[] {
  const parent = path.join(stateDir, DIRECTORY)
  const names = fs.existsSync(parent) ? fs.readdirSync(parent) : []
  return names.flatMap((id) => {
    const kept = /^[0-9a-f]{32}$/.test(id) ? readKept(stateDir, id) : undefined
    return kept === undefined ? [] : [kept]
  })
}

/** Whether what was found at a path is one of these. */
export function isKept(stateDir: string, root: string): boolean {
  return path.dirname(root) === path.join(stateDir, DIRECTORY)
}

export interface Start {
  head: string
  anchor: string
  branch: string | undefined
}

/** Nothing is checked out there: the commit is the one that was fetched or sent. */
export async function keptStart(ref: string | undefined): Promise<Start> {
  if (ref !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref))
    return { head: ref, anchor: ref, branch: undefined }
  throw new OpenExecError('repository_invalid', 'Cannot use a kept repository without a commit')
}

/** Epoch `ms` of the last use. */
export function keptUsedAt({ gitDir }: KeptSource): number {
  return fs.statSync(path.join(gitDir, USED_FILE), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

export function touchKept({ gitDir }: KeptSource): void {
  fs.writeFileSync(path.join(gitDir, USED_FILE), '')
}

/** Bytes of all objects kept for a tenant. */
export function keptBytes(stateDir: string, tenant: string): number {
  let bytes = 0
  for (const { tenant: owner, gitDir } of listKept(stateDir)) {
    const packs = path.join(gitDir, 'objects/pack')
    if (owner !== tenant || !fs.existsSync(packs)) continue
    for (const name of fs.readdirSync(packs))
      bytes += fs.statSync(path.join(packs, name), { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}

/** Newest first. */
export function heldCommits({ gitDir }: KeptSource): string[] {
  const directory = path.join(gitDir, HELD_DIRECTORY)
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : []
  return names
    .filter((name) => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(name))
    .map((name) => {
      const stat = fs.statSync(path.join(directory, name), { throwIfNoEntry: false })
      return { name, at: stat?.mtimeMs ?? 0 }
    })
    .toSorted((one, other) => other.at - one.at)
    .slice(0, HELD_MAX)
    .map(({ name }) => name)
}

export function isHeld({ gitDir }: KeptSource, commit: string): boolean {
  return fs.existsSync(path.join(gitDir, HELD_DIRECTORY, commit))
}

/** A ref, written in one step, so that no lock of git is left by a process that is killed. */
export function holdCommit(kept: KeptSource, commit: string): void {
  const file = path.join(kept.gitDir, HELD_DIRECTORY, commit)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const draft = path.join(kept.gitDir, `openexec-${commit}.${process.pid}.tmp`)
  fs.writeFileSync(draft, `${commit}\n`)
  fs.renameSync(draft, file)
  touchKept(kept)
}

function placeOf(stateDir: string, id: string): { id: string; root: string; gitDir: string } {
  const root = path.join(stateDir, DIRECTORY, id)
  return { id, root, gitDir: path.join(root, '.git') }
}

function readKept(stateDir: string, id: string): KeptSource | undefined {
  const place = placeOf(stateDir, id)
  try {
    const text = fs.readFileSync(path.join(place.gitDir, IDENTITY_FILE), 'utf8')
    // Written by `makeKept()` alone, below a directory nobody else writes to.
    return { ...(JSON.parse(text) as KeptIdentity), ...place }
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function makeKept(kept: KeptSource): void {
  const { root, gitDir, id: _id, ...rest } = kept
  const { tenant, kind, name, objectFormat, shallow } = rest
  const draft = fs.mkdtempSync(`${ensureParent(root)}/new-`)
  try {
    const inside = path.join(draft, '.git')
    makeBareRepository(inside, { objectFormat, borrowsFrom: undefined })
    // Mounted read-only into sandboxes, whose account is another one.
    for (const below of ['objects', 'objects/info', 'objects/pack'])
      fs.chmodSync(path.join(inside, below), 0o755)
    if (shallow.length > 0)
      fs.writeFileSync(path.join(inside, 'shallow'), shallow.map((oid) => `${oid}\n`).join(''))
    const identity: KeptIdentity = { tenant, kind, name, objectFormat, shallow }
    fs.writeFileSync(path.join(inside, IDENTITY_FILE), JSON.stringify(identity))
    fs.renameSync(draft, root)
  } catch (error) {
    fs.rmSync(draft, { recursive: true, force: true })
    // Another process was first.
    if (fs.existsSync(path.join(gitDir, 'HEAD'))) return
    throw new OpenExecError('state_unusable', `Cannot keep a repository at "${root}"`, {
      hint: 'Check that the state directory is writable and its disk not full',
      cause: error,
    })
  }
}

function ensureParent(root: string): string {
  const parent = path.dirname(root)
  fs.mkdirSync(parent, { recursive: true, mode: 0o700 })
  return parent
}
