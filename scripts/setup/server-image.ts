/**
 * The image of the server: the built program, and the few packages it finds beside itself, on the
 * image `node`. Nothing is fetched: the packages are those that are installed here.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Engine } from '../../src/sandbox/connect.ts'
import { contentHash } from '../../src/sandbox/build-context.ts'
import { ensureImage, imageIfThere } from '../../src/sandbox/image-build.ts'
import { OpenExecError } from '../../src/schema/index.ts'
import { EXTERNAL_PACKAGES } from './program.ts'
import { projectRoot } from './project-root.ts'

const SERVER_IMAGE = 'openexec/server:latest'
const BASE_IMAGE = 'openexec/node:latest'
/** Beside `dist`, what the program reads where it lies. */
const SHIPPED = ['dist', 'bin', 'blueprints', 'migrations', 'package.json', 'LICENSE']
/** Sources of what is there compiled, and what only compilers and debuggers read. */
const NEEDLESS = /\/(?:deps|src|benchmark|docs)$|\.(?:map|d\.[cm]?ts|md)$/

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({ dependencies: z.record(z.string(), z.string()).optional() }),
  ),
})

/** Needs a built `dist`. Throws `image_not_found` without the image `node`. */
export async function ensureServerImage(
  { docker }: Pick<Engine, 'docker'>,
  { name = SERVER_IMAGE, say }: { name?: string; say(line: string): void },
): Promise<void> {
  const { signal } = new AbortController()
  const base = await imageIfThere(docker, BASE_IMAGE, signal)
  if (base === undefined)
    throw new OpenExecError('image_not_found', `Cannot build "${name}": no image "${BASE_IMAGE}"`, {
      hint: 'Run `npm run setup` first',
    })
  const context = join(projectRoot, '.openexec-dev/image-server')
  gather(context)
  const folders = [join(projectRoot, 'packaging/image'), context]
  const buildArgs = { BASE_IMAGE }
  const labels = { 'openexec.image': 'server' }
  const hash = await contentHash({
    folders,
    settings: { ...buildArgs, ...labels },
    parent: base.id,
  })
  const recipe = { name, folders, fetch: undefined, buildArgs, proxyArgs: {}, labels, hash }
  const { built } = await ensureImage(docker, recipe, {
    rebuild: false,
    onProgress: (line) => line.startsWith('Step ') && say(line.slice(0, 100)),
    signal,
  })
  say(`${name} ${built ? 'is built' : 'is current'}`)
}

/** Everything that goes into the image, in one folder. */
function gather(context: string): void {
  const app = join(context, 'app')
  rmSync(context, { recursive: true, force: true })
  mkdirSync(app, { recursive: true })
  for (const each of SHIPPED) copy(join(projectRoot, each), join(app, each))
  for (const name of packagesOf(EXTERNAL_PACKAGES)) {
    const place = join('node_modules', name)
    copy(join(projectRoot, place), join(app, place))
  }
}

/** With all they need themselves. */
function packagesOf(roots: readonly string[]): Set<string> {
  const text = readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')
  const { packages } = Lock.parse(JSON.parse(text))
  const found = new Set<string>()
  const pending = [...roots]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name) || !existsSync(join(projectRoot, 'node_modules', name))) continue
    found.add(name)
    pending.push(...Object.keys(packages[`node_modules/${name}`]?.dependencies ?? {}))
  }
  return found
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  const isPackage = from.includes('node_modules')
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => !isPackage || !NEEDLESS.test(path),
  })
}
