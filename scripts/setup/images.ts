/**
 * OpenExec's own images, parents before children, each built only when something that decides its
 * content changed. An image folder without a Dockerfile is no image.
 */
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from '../../src/sandbox/connect.ts'
import { contentHash } from '../../src/sandbox/build-context.ts'
import { ensureImage } from '../../src/sandbox/image-build.ts'
import {
  authoritySources,
  findPrivateAuthorities,
  type Authority,
} from '../../src/sandbox/private-authorities.ts'
import { ensureDebian } from './debian.ts'
import { nodePackage, nodePackages } from './node-packages.ts'
import { projectRoot } from './project-root.ts'

export interface ImagesOptions {
  rebuild: boolean
  env: NodeJS.ProcessEnv
  say(line: string): void
}

/** After `base`, on which all others are built. */
const CHILDREN = ['supervisor', 'node', 'python'] as const
const PROXY_VARIABLES = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
]

export async function ensureImages(engine: Engine, options: ImagesOptions): Promise<void> {
  const { say, env } = options
  const authorities = findPrivateAuthorities(authoritySources(env), new Date())
  for (const { subject } of authorities)
    say(`images trust the private certificate authority "${subject}"`)
  const debian = await ensureDebian(engine.docker, say)
  const parent = await ensureOne(engine, options, {
    image: 'base',
    parent: debian.id,
    buildArgs: { BASE_IMAGE: debian.name },
    folders: [await writeAuthorities(authorities)],
    fetch: undefined,
    labels: { 'openexec.private-authorities': authorities.map((a) => a.fingerprint).join(',') },
  })
  for (const image of CHILDREN) {
    const isNode = image === 'node'
    await ensureOne(engine, options, {
      image,
      parent,
      buildArgs: {
        BASE_IMAGE: 'openexec/base:latest',
        ...(isNode ? { NODE_PACKAGE: nodePackage(engine.arch) } : {}),
      },
      folders: [],
      fetch: isNode ? () => nodePackages(engine.arch) : undefined,
      labels: {},
    })
  }
}

interface ImageParts {
  image: string
  parent: string
  buildArgs: Record<string, string>
  folders: readonly string[]
  fetch: (() => Promise<readonly string[]>) | undefined
  labels: Record<string, string>
}

/** Returns the content hash, on which children build. */
async function ensureOne(
  engine: Engine,
  options: ImagesOptions,
  parts: ImageParts,
): Promise<string> {
  const folder = join(projectRoot, 'sandbox-images', parts.image)
  if (!existsSync(join(folder, 'Dockerfile'))) return parts.parent
  const folders = [folder, ...parts.folders]
  const labels = { ...parts.labels, 'openexec.image': parts.image }
  const settings = { ...parts.buildArgs, ...labels }
  const hash = await contentHash({ folders, settings, parent: parts.parent })
  const started = Date.now()
  const name = `openexec/${parts.image}:latest`
  const recipe = {
    name,
    folders,
    fetch: parts.fetch,
    buildArgs: parts.buildArgs,
    proxyArgs: proxyArgs(options.env),
    labels,
    hash,
  }
  const { built } = await ensureImage(engine.docker, recipe, {
    rebuild: options.rebuild,
    onProgress: (line) =>
      line.startsWith('Step ') &&
      !line.includes(' : LABEL ') &&
      options.say(`${name}: ${line.slice(0, 100)}`),
    signal: new AbortController().signal,
  })
  options.say(
    built
      ? `${name} built in ${Math.round((Date.now() - started) / 1000)} s`
      : `${name} is current`,
  )
  return hash
}

/** A folder that, laid over the image's own, adds the authorities to its `certificates/`. */
async function writeAuthorities(authorities: readonly Authority[]): Promise<string> {
  const folder = join(projectRoot, '.openexec-dev/authorities')
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(folder, 'certificates'), { recursive: true })
  for (const { fingerprint, pem } of authorities) {
    await writeFile(join(folder, 'certificates', `${fingerprint.slice(0, 16)}.crt`), pem)
  }
  return folder
}

function proxyArgs(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    PROXY_VARIABLES.flatMap((name) => {
      const value = env[name]
      return value ? [[name, value]] : []
    }),
  )
}
