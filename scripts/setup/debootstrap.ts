/**
 * Debian from its packages, as an image. Needs root and the tool debootstrap. The tree lives in a
 * folder of set-up's own while it is made and is gone afterwards; nothing else of the machine
 * changes.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { OpenExecError } from '../../src/schema/index.ts'
import { runQuietly } from './command.ts'

const SUITE = 'bookworm'
/** Not the temporary folder, which is often mounted without devices or programs. */
const TREE = '/var/lib/openexec-setup/debootstrap'
/** Caches, documentation, and what the kernel gives every container itself. */
const LEFT_OUT = ['dev', 'proc', 'sys', 'run', 'var/cache/apt', 'var/lib/apt/lists', 'var/log']
const DOCUMENTATION = ['doc', 'man', 'locale', 'info'].map((name) => `usr/share/${name}`)

/** As Debian's own slim images: packages come without documentation and translations. */
const SLIM = DOCUMENTATION.map((folder) => `path-exclude /${folder}/*\n`).join('')

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

/** By `tar`, which keeps what a system consists of: hard links, sticky bits, the modes as they are. */
async function importTree(docker: Docker, name: string): Promise<void> {
  const [repo, tag] = name.split(':')
  const leftOut = [...LEFT_OUT, ...DOCUMENTATION].map((folder) => `--exclude=./${folder}/*`)
  const tar = spawn('tar', ['--create', '--numeric-owner', ...leftOut, '--directory', TREE, '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(tar, 'close')
  const progress = await docker.importImage(tar.stdout, { repo, tag })
  progress.resume()
  const [[exitCode]] = await Promise.all([ended, once(progress, 'end')])
  if (exitCode !== 0) throw new Error(`tar ended with exit code ${exitCode}`)
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
