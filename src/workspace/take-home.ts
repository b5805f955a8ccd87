import { applyToCheckout } from './apply.ts'
import { createBranch } from './branch.ts'
import type { GitProgram } from './git-process.ts'
import { mergeCommit } from './merge.ts'
import type { openRepositoryStore } from './open-source.ts'
import type { Workspaces } from './workspaces.ts'

/** What writes to the user's checkout and branches. */
export function takingHome(
  program: GitProgram,
  at: {
    stateDir: string
    open(start: string, signal: AbortSignal): ReturnType<typeof openRepositoryStore>
    now(): number
  },
): Pick<Workspaces, 'apply' | 'merge' | 'createBranch'> {
  const { stateDir, open } = at
  return {
    async createBranch(repositoryPath, { name, commit, signal }) {
      const { found, store } = await open(repositoryPath, signal)
      await createBranch({ program, signal }, store, { repository: found, name, commit })
    },
    async merge(repositoryPath, { commit, message, signal }) {
      const { found, config, store } = await open(repositoryPath, signal)
      const request = { repository: found, config, stateDir, commit, message, nowMs: at.now() }
      return mergeCommit({ program, signal }, store, request)
    },
    async apply(repositoryPath, { from, to, signal }) {
      const { found, config, store } = await open(repositoryPath, signal)
      const fileMode = config.get('core.filemode') !== 'false'
      const request = { checkout: found, fileMode, from, to, stateDir, seal: undefined }
      return applyToCheckout({ program, signal }, store, request)
    },
  }
}
