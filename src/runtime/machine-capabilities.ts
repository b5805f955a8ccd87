import { authoritySources, findPrivateAuthorities, type Probed } from '../sandbox/index.ts'
import type { Clock } from '../schema/index.ts'
import { diskSpace, privateAuthorities } from './capabilities.ts'
import { judgeGit } from './git-fixes.ts'

interface Machine {
  stateDir: string
  certificates: Readonly<Record<string, string | undefined>>
  now: Clock
}

/** What can be told of this machine without an engine. */
export async function machineCapabilities(
  { stateDir, certificates, now }: Machine,
  gitVersion: string,
): Promise<Record<string, Probed>> {
  const found = findPrivateAuthorities(authoritySources(certificates), new Date(now()))
  return {
    git_fixes: judgeGit(gitVersion),
    disk_space: await diskSpace(stateDir),
    private_authorities: privateAuthorities(found.map(({ subject }) => subject)),
  }
}
