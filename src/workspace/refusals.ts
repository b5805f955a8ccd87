/**
 * What a snapshot leaves out, and why. The list people see is bounded; that something was refused is
 * never forgotten, because what a refused path had in the last tree stays in the next one.
 */
import { type BytePath, parentsOf } from './byte-path.ts'
import type { WalkObstacle } from './walk.ts'

export type RefusalReason =
  | WalkObstacle
  /** Reads as `.git` on some system: a nested repository, or an attempt to be one. */
  | 'git_directory'
  /** Where OpenExec keeps its own state in a checkout. */
  | 'state_directory'
  /** `.gitmodules` as a symbolic link. */
  | 'gitmodules_link'
  | 'fifo'
  | 'socket'
  | 'device'
  /** Set-user-id or set-group-id: the bits are dropped, the content is taken. */
  | 'set_id'
  | 'too_large'
  /** Changed each time it was read. */
  | 'unstable'
  /** Stands where the policy hides a file of the base commit. */
  | 'hidden_path'
  /** Inside the directory of a submodule. */
  | 'submodule_content'

export interface Refusal {
  path: BytePath
  reason: RefusalReason
}

export const REFUSALS_KEPT_MAX = 1000

export class Refusals {
  readonly list: Refusal[] = []
  /** All of them, also those beyond the list. */
  total = 0
  readonly #blind = new Set<BytePath>()

  /** The path is not looked at: the last tree's entries at and below it stay. */
  refuse(path: BytePath, reason: RefusalReason): void {
    this.#blind.add(path)
    this.note(path, reason)
  }

  /** Reported only. */
  note(path: BytePath, reason: RefusalReason): void {
    this.total += 1
    if (this.list.length < REFUSALS_KEPT_MAX) this.list.push({ path, reason })
  }

  /** Whether nothing is known of the path because it or a directory above it was refused. */
  covers(path: BytePath): boolean {
    if (this.#blind.size === 0) return false
    if (this.#blind.has(path)) return true
    for (const parent of parentsOf(path)) if (this.#blind.has(parent)) return true
    return false
  }
}
