/**
 * Debian from its packages, as an image. Needs root and the tool debootstrap. The tree lives in a
 * folder of set-up's own while it is made and is gone afterwards; nothing else of the machine
 * changes.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { pack } from 'tar-fs'
import { OpenExecError } from '../../src/schema/index.ts'
import { runQuietly } from './command.ts'

const SUITE = 'bookworm'
/** Not the temporary folder, which is often mounted without devices or programs. */
const TREE = '/var/lib/openexec-setup/debootstrap'
const LEFT_OUT =
  /^(var\/cache\/apt|var\/lib\/apt\/lists|var\/log|usr\/share\/(doc|man|locale|info))\/./

/** As Debian's own slim images: packages come without documentation and translations. */
const SLIM = ['doc', 'man', 'locale', 'info']
  .map((name) => `path-exclude /usr/share/${name}/*\n`)
  .join('')

export async function importDebian(docker: Docker, name: string): Promise<void> {
  try {
    await emptyTree()
    await runQuietly(['debootstrap', '--variant=minbase', SUITE, TREE, ...(await mirrorOfHost())])
    await writeFile(join(TREE, 'etc/dpkg/dpkg.cfg.d/slim'), SLIM)
    const sources = await aptSources()
    if (sources !== '') await writeFile(join(TREE, 'etc/apt/sources.list'), sources)
    await importTree(docker, name)
  } catch (cause) {
    throw new OpenExecError('engine_failed', `Cannot make Debian "${SUITE}" with debootstrap`, {
      hint: 'The package mirrors of Debian must be reachable; correct what the log says, then run the command again',
      details: { log: cause instanceof Error ? cause.message.slice(-2000) : String(cause) },
      cause,
    })
  } finally {
    await emptyTree()
  }
}

async function importTree(docker: Docker, name: string): Promise<void> {
  const [repo, tag] = name.split(':')
  const tar = pack(TREE, { ignore: (path) => LEFT_OUT.test(path.slice(TREE.length + 1)) })
  const progress = await docker.importImage(Readable.from(tar), { repo, tag })
  progress.resume()
  await new Promise((resolve, reject) => progress.once('end', resolve).once('error', reject))
}

/** debootstrap may leave kernel file systems mounted when it is interrupted. */
async function emptyTree(): Promise<void> {
  for (const inner of ['proc', 'sys', 'dev/pts', 'dev']) {
    await runQuietly(['umount', '-l', join(TREE, inner)]).catch(() => undefined)
  }
  await rm(TREE, { recursive: true, force: true })
  await mkdir(TREE, { recursive: true })
}

interface Source {
  site: string
  release: string
}

/** The mirrors of a host that is the same Debian, its security updates among them. */
async function hostSources(): Promise<Source[]> {
  const format = '$(SITE) $(CODENAME) $(COMPONENT)'
  const text = await runQuietly([
    'apt-get',
    'indextargets',
    '--format',
    format,
    'Created-By: Packages',
  ]).catch(() => '')
  const lines = [...new Set(text.split('\n'))].map((line) => line.split(' '))
  return lines.flatMap(([site, release, component]) =>
    site &&
    release &&
    component === 'main' &&
    new RegExp(`^${SUITE}(-updates|-security)?$`).test(release)
      ? [{ site, release }]
      : [],
  )
}

async function aptSources(): Promise<string> {
  return (await hostSources()).map(({ site, release }) => `deb ${site} ${release} main\n`).join('')
}

async function mirrorOfHost(): Promise<string[]> {
  const main = (await hostSources()).find(({ release }) => release === SUITE)
  return main === undefined ? [] : [main.site]
}
