import { readFileSync } from 'node:fs'
import { OpenExecError } from '../../src/schema/index.ts'
import { isInstalled, runQuietly } from './command.ts'

/** Whether packages come from apt: Debian, Ubuntu and their kin. */
export function isDebianLike(): boolean {
  return (
    isInstalled('apt-get') &&
    /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readIfThere('/etc/os-release'))
  )
}

/** Installs packages without what they only recommend and without asking. Needs root. */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  const apt = ['apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=300']
  // One broken third-party source must not stop the install: apt itself says what is missing then.
  await runQuietly([...apt, 'update']).catch(() => undefined)
  try {
    await runQuietly([...apt, 'install', '--no-install-recommends', ...packages])
  } catch (cause) {
    throw new OpenExecError(
      'engine_unavailable',
      `Cannot install ${packages.join(', ')} with apt-get`,
      {
        hint: `Run \`apt-get update && apt-get install -y ${packages.join(' ')}\`, correct what it reports, then run the command again`,
        cause,
      },
    )
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
