/**
 * What one hostile repository or workspace is: how it comes about, the natural call that falls for it,
 * and nothing about how the program defends itself. `life.ts` takes every fixture through the same life.
 */
import type { Workspace } from '../../src/workspace/index.ts'
import type { Bench, marker } from '../integration/workspace-fixture.ts'

export interface HostileFixture {
  /** `<class of the attack list>-<what>`; unique. */
  id: string
  /** Files of the repository's first commit. */
  files: Record<string, string>
  /** Hostility that is there before a run: commits, configuration, hooks of the repository. */
  source?(arena: Arena): void
  /** Hostility that is written from inside the sandbox. */
  plant?(arena: Planted): void
  /** Something that goes on while the host looks; the returned function ends it. */
  race?(arena: Planted): () => void
  /** The call people would make instead; true when it was hit. Undoes what it did. */
  control(arena: Planted): boolean
  /** Code of the refusal where no workspace is made of it; it is made otherwise. */
  refusedAtCreate?: 'repository_unsafe' | 'repository_invalid'
  /** Reasons that the snapshot has to name. */
  reports?: readonly string[]
  /** The snapshot ends with this limit. */
  limit?: string
  /** Nothing of a commit made inside may come out. */
  commitsRefused?: true
}

export interface Arena {
  b: Bench
  m: ReturnType<typeof marker>
  /** Directory of the host beside the repository, with a file `secret`. */
  outside: string
}

export interface Planted extends Arena {
  workspace: Workspace
  /** Files of the workspace. */
  tree: string
  /** The private git directory, which `repo_write` lets the sandbox write. */
  git: string
}

export const SECRET = 'top secret of the host'
