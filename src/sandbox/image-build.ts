/**
 * Builds an image from folders through the engine's API, when it is not there already: the hash of
 * everything that decides its content is a label of it. A build that fails or is cancelled leaves
 * the image of before under its name.
 */
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import { packContext } from './build-context.ts'
import { resolveImage, type ResolvedImage } from './images.ts'

export interface ImageRecipe {
  /** Full name with tag. */
  name: string
  /** Laid over one another they are the build context; all of it is hashed. */
  folders: readonly string[]
  /** Adds what the hashed folders pin exactly but do not hold; called before a build only. */
  fetch: (() => Promise<readonly string[]>) | undefined
  /** Hashed. */
  buildArgs: Readonly<Record<string, string>>
  /** Not hashed: how this machine reaches the network. */
  proxyArgs: Readonly<Record<string, string>>
  labels: Readonly<Record<string, string>>
  /** See `contentHash()`. */
  hash: string
}

export interface BuildOptions {
  /** Builds although the image is current, and without the engine's cache. */
  rebuild: boolean
  onProgress(line: string): void
  signal: AbortSignal
}

export interface BuiltImage {
  id: string
  built: boolean
}

const HASH_LABEL = 'openexec.content-hash'
const BUILD_TIMEOUT_MS = 30 * 60_000
const TAIL_LINES = 30
/** How the classic builder names the image after a step. */
const STEP_RESULT = /^ ---> ([0-9a-f]{12,64})$/

const Message = z.object({
  stream: z.string().optional(),
  status: z.string().optional(),
  error: z.string().optional(),
})

/** Makes sure the image exists with this content. Throws `engine_failed` with the end of the log. */
export async function ensureImage(
  docker: Docker,
  recipe: ImageRecipe,
  options: BuildOptions,
): Promise<BuiltImage> {
  const before = await imageIfThere(docker, recipe.name, options.signal)
  if (!options.rebuild && before?.config.labels[HASH_LABEL] === recipe.hash) {
    return { id: before.id, built: false }
  }
  await build(docker, recipe, options)
  const after = await resolveImage(docker, recipe.name, options.signal)
  if (before !== undefined && before.id !== after.id) await removeUnused(docker, before.id)
  return { id: after.id, built: true }
}

/** The image, or nothing where the engine does not have it. */
export async function imageIfThere(
  docker: Docker,
  name: string,
  signal: AbortSignal,
): Promise<ResolvedImage | undefined> {
  try {
    return await resolveImage(docker, name, signal)
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'image_not_found') return undefined
    throw error
  }
}

async function build(docker: Docker, recipe: ImageRecipe, options: BuildOptions): Promise<void> {
  const fetched = (await recipe.fetch?.()) ?? []
  const broken = new AbortController()
  const abortSignal = AbortSignal.any([
    options.signal,
    broken.signal,
    AbortSignal.timeout(BUILD_TIMEOUT_MS),
  ])
  const context = Readable.from(packContext([...recipe.folders, ...fetched]))
  // The client library pipes without listening for a file that cannot be read.
  context.on('error', (error) => broken.abort(error))
  const tail: string[] = []
  const steps: string[] = []
  try {
    const output = await docker.buildImage(context, {
      t: recipe.name,
      buildargs: { ...recipe.proxyArgs, ...recipe.buildArgs },
      labels: { ...recipe.labels, [HASH_LABEL]: recipe.hash },
      rm: true,
      forcerm: true,
      nocache: options.rebuild,
      abortSignal,
    })
    for await (const line of messages(output)) {
      tail.push(line)
      if (tail.length > TAIL_LINES) tail.shift()
      const step = STEP_RESULT.exec(line)?.[1]
      if (step !== undefined) steps.push(step)
      options.onProgress(line)
    }
    abortSignal.throwIfAborted()
  } catch (cause) {
    options.signal.throwIfAborted()
    throw buildError(recipe.name, abortSignal.aborted ? abortSignal.reason : cause, tail)
  } finally {
    context.destroy()
    for (const step of steps.toReversed()) await removeUnused(docker, step)
  }
}

/** Yields what the builder says line by line; throws what it reports as an error. */
async function* messages(output: NodeJS.ReadableStream): AsyncGenerator<string> {
  for await (const json of createInterface({ input: output, crlfDelay: Infinity })) {
    const { stream, status, error } = Message.parse(JSON.parse(json))
    if (error !== undefined) throw new Error(error)
    for (const line of (stream ?? status ?? '').split('\n')) {
      if (line.trim() !== '') yield line.trimEnd()
    }
  }
}

function buildError(name: string, cause: unknown, tail: readonly string[]): OpenExecError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new OpenExecError('engine_failed', `Cannot build image "${name}": ${reason}`, {
    hint: 'Read the end of the build log; a build needs the package mirrors of its distribution',
    details: { log: tail.join('\n') },
    cause,
  })
}

/**
 * Removes an image without a name: the one of before, or what a stage of a build left. The engine
 * keeps what another image or a container stands on.
 */
async function removeUnused(docker: Docker, id: string): Promise<void> {
  try {
    const image = docker.getImage(id)
    const { RepoTags } = await image.inspect()
    if ((RepoTags ?? []).length === 0) await image.remove()
  } catch {
    // In use or gone: in both cases it is not for this build to remove.
  }
}
