/** How paths of a run are told to the rest of the program: as text to show, as bytes to be exact. */
import { type BytePath, toBytes, toText } from './byte-path.ts'
import type { RawChange } from './raw-changes.ts'
import type { Refusal, RefusalReason } from './refusals.ts'

export interface NamedPath {
  /** UTF-8; bytes that are none read as U+FFFD. */
  path: string
  bytes: Uint8Array
}

export interface ChangedPath extends NamedPath {
  status: RawChange['status']
  /** Octal text, `000000` where the path is not. */
  oldMode: string
  newMode: string
  oldOid: string
  newOid: string
}

export interface RefusedPath extends NamedPath {
  reason: RefusalReason
}

export function nameOf(path: BytePath): NamedPath {
  return { path: toText(path), bytes: toBytes(path) }
}

export function changedPath(change: RawChange): ChangedPath {
  return { ...change, ...nameOf(change.path) }
}

export function refusedPath(refusal: Refusal): RefusedPath {
  return { ...nameOf(refusal.path), reason: refusal.reason }
}
