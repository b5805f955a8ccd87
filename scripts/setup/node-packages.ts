/** What the image `node` takes from npm: fetched on the host, for the engine's processor. */
import { existsSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OpenExecError } from '../../src/schema/index.ts'
import type { Engine } from '../../src/sandbox/connect.ts'
import { npmCi } from '../bootstrap/npm.mjs'
import { projectRoot } from './project-root.ts'

export function nodePackage(arch: Engine['arch']): string {
  return `node-linux-${arch}`
}

/** The folder to lay over the image's own; holds `node_modules`. */
export async function nodePackages(arch: Engine['arch']): Promise<readonly string[]> {
  const source = join(projectRoot, 'sandbox-images/node')
  const folder = join(projectRoot, '.openexec-dev/image-node')
  const node = join(folder, 'node_modules', nodePackage(arch), 'bin/node')
  await mkdir(folder, { recursive: true })
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
    await cp(join(source, file), join(folder, file))
  }
  await npmCi(folder, {
    root: projectRoot,
    isDone: () => false,
    args: ['--os=linux', `--cpu=${arch}`, '--force'],
  })
  if (existsSync(node)) return [folder]
  throw new OpenExecError(
    'engine_failed',
    `Cannot build the image "node" for processor "${arch}": npm has no Node for it`,
    {
      hint: 'Use an engine on x64 or arm64, and npm 10 or newer',
    },
  )
}
