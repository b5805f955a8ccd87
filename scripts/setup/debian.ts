/**
 * The Debian every image stands on: `debian:bookworm-slim` where the engine has it or a registry
 * gives it; else the same system made with debootstrap, under a name of OpenExec's own, so that
 * nobody takes it for the official one.
 */
import type Docker from 'dockerode'
import { OpenExecError } from '../../src/schema/index.ts'
import { imageIfThere } from '../../src/sandbox/image-build.ts'
import { aptInstall, isDebianLike } from './apt.ts'
import { isInstalled } from './command.ts'
import { importDebian } from './debootstrap.ts'
import { pull } from './pull.ts'

const OFFICIAL = 'debian:bookworm-slim'
const OWN = 'openexec/debian:bookworm'

export async function ensureDebian(
  docker: Docker,
  say: (line: string) => void,
): Promise<{ name: string; id: string }> {
  const signal = new AbortController().signal
  const present =
    (await imageIfThere(docker, OFFICIAL, signal)) ?? (await imageIfThere(docker, OWN, signal))
  if (present !== undefined) return present

  say(`pulling ${OFFICIAL}`)
  const problem = await pull(docker, OFFICIAL)
  if (problem === undefined) {
    const pulled = await imageIfThere(docker, OFFICIAL, signal)
    if (pulled !== undefined) return pulled
  }
  say(`no registry gives ${OFFICIAL} (${problem}); making Debian with debootstrap (under a minute)`)
  await makeOwn(docker, problem ?? 'it was not there after the pull')
  const made = await imageIfThere(docker, OWN, signal)
  if (made !== undefined) return made
  throw new OpenExecError('engine_failed', `Cannot find image "${OWN}" after its import`)
}

async function makeOwn(docker: Docker, problem: string): Promise<void> {
  const isRoot = process.getuid?.() === 0
  if (isRoot && !isInstalled('debootstrap') && isDebianLike()) await aptInstall(['debootstrap'])
  if (!isRoot || !isInstalled('debootstrap')) {
    throw new OpenExecError('engine_failed', `Cannot get image "${OFFICIAL}": ${problem}`, {
      hint: `Make it reachable (\`docker pull ${OFFICIAL}\`, a mirror in the engine's settings, or \`docker load\` of a saved copy), or run the command as root on Debian or Ubuntu, where set-up makes it with debootstrap`,
    })
  }
  await importDebian(docker, OWN)
}
