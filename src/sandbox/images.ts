/**
 * From the name a user gives to one exact image. OpenExec never pulls on its own: what runs is
 * what a person or set-up put on the engine. The image's configuration is its author's word and
 * is returned for the confinement to override, never to obey.
 */
import type Docker from 'dockerode'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import { engineGet } from './engine-get.ts'

/** OpenExec's own images, by the short names a run may use. */
export const OWN_IMAGES = ['base', 'node', 'python'] as const

interface ImageConfig {
  env: readonly string[]
  /** Paths the image declares as volumes: each defeats a read-only root unless covered. */
  volumes: readonly string[]
  user: string
  entrypoint: readonly string[]
  cmd: readonly string[]
  workingDir: string
  hasHealthcheck: boolean
  labels: Readonly<Record<string, string>>
}

export interface ResolvedImage {
  /** `sha256:…` of the image's configuration: what a container is created from. */
  id: string
  /** The full name: `openexec/node:latest` for `node`. */
  name: string
  /** `name@sha256:…` when it came from a registry, else the id. */
  digest: string
  architecture: string
  config: ImageConfig
}

const INSPECT_TIMEOUT_MS = 10_000
/** A reference without path tricks: the name becomes part of a request path. */
const REFERENCE = /^(?!.*(?:\.\.|\/\/))[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/

/** The engine leaves empty fields out or sets them to null. */
const Text = z
  .string()
  .nullish()
  .transform((text) => text ?? '')
const Texts = z
  .array(z.string())
  .nullish()
  .transform((texts) => texts ?? [])

const Config = z
  .object({
    Env: Texts,
    Volumes: z.record(z.string(), z.unknown()).nullish(),
    User: Text,
    Entrypoint: Texts,
    Cmd: Texts,
    WorkingDir: Text,
    Healthcheck: z.unknown().optional(),
    Labels: z.record(z.string(), z.string()).nullish(),
  })
  .transform((config): ImageConfig => ({
    env: config.Env,
    volumes: Object.keys(config.Volumes ?? {}),
    user: config.User,
    entrypoint: config.Entrypoint,
    cmd: config.Cmd,
    workingDir: config.WorkingDir,
    hasHealthcheck: config.Healthcheck != null,
    labels: config.Labels ?? {},
  }))

const Inspect = z.object({
  Id: z.string(),
  RepoDigests: Texts,
  Architecture: Text,
  Config: Config.nullish(),
})

/**
 * Finds the image on the engine. Throws `bad_request` for what is no image name and
 * `image_not_found` with the way to get it.
 */
export async function resolveImage(
  docker: Docker,
  name: string,
  signal?: AbortSignal,
): Promise<ResolvedImage> {
  const full = fullName(name)
  let answer: unknown
  try {
    answer = await engineGet(docker, `/images/${full}/json`, {
      timeoutMs: INSPECT_TIMEOUT_MS,
      signal,
    })
  } catch (cause) {
    signal?.throwIfAborted()
    throw inspectError(name, full, cause)
  }
  const image = Inspect.parse(answer)
  return {
    id: image.Id,
    name: full,
    digest: image.RepoDigests[0] ?? image.Id,
    architecture: image.Architecture,
    config: image.Config ?? Config.parse({}),
  }
}

function fullName(name: string): string {
  if (!REFERENCE.test(name)) {
    throw new OpenExecError(
      'bad_request',
      `Cannot use image ${JSON.stringify(name)}: not an image name`,
      {
        hint: `Name one of ${OWN_IMAGES.join(', ')}, or an image as \`docker images\` lists it`,
      },
    )
  }
  return isOwn(name) ? `openexec/${name}:latest` : name
}

function isOwn(name: string): boolean {
  return OWN_IMAGES.some((own) => own === name)
}

function inspectError(name: string, full: string, cause: unknown): OpenExecError {
  const status = cause instanceof Error && 'statusCode' in cause ? cause.statusCode : undefined
  if (status !== 404) {
    return new OpenExecError('engine_failed', `Cannot inspect image "${full}" on the engine`, {
      hint: 'Run `openexec doctor` to check the engine',
      cause,
    })
  }
  const hint = isOwn(name)
    ? 'Build it with `npm run setup`'
    : `Get it with \`docker pull ${full}\`, or use one of OpenExec's own: ${OWN_IMAGES.join(', ')}`
  return new OpenExecError(
    'image_not_found',
    `Cannot find image "${full}": the engine does not have it`,
    {
      hint,
      details: { image: full },
      cause,
    },
  )
}
