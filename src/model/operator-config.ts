/**
 * `model:` and `secrets:` of the operator's own configuration. It is a file of the machine, never of a repository:
 * a repository that could name a model's address would be sent the prompts, and a key.
 */
import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { OpenExecError, OperatorSecret, parseYaml, YAML_BYTES_MAX } from '../schema/index.ts'

const UsdPerMillion = z.number().nonnegative().max(100_000)

const Settings = z.strictObject({
  /** `provider/model` */
  use: z.string().min(1).max(300),
  base_url: z.string().max(2000).optional(),
  /** USD for one million tokens. */
  price: z
    .strictObject({
      input: UsdPerMillion,
      output: UsdPerMillion,
      cache_read: UsdPerMillion.optional(),
      cache_write: UsdPerMillion.optional(),
    })
    .optional(),
  /** Tokens the model takes in, its answer included. */
  context_tokens: z.number().int().min(2048).max(10_000_000).optional(),
  /** Tokens one answer may have. */
  output_tokens: z.number().int().min(256).max(1_000_000).optional(),
  /** Refuses every model that is not on this machine. */
  local_only: z.boolean().optional(),
})
export type ModelSettings = z.infer<typeof Settings>

const OperatorConfig = z.strictObject({
  secrets: z.array(OperatorSecret).max(256).optional(),
  model: z.union([z.string().min(1).max(300), Settings]).optional(),
  /** Read by those who fetch repositories. */
  git: z.unknown().optional(),
})

export interface ConfigFile {
  path: string
  /** Whether somebody named it; the usual place may be empty. */
  named: boolean
}

/** Throws `config_invalid` with every finding as `file:line:column`. */
export function readModelSettings({ path, named }: ConfigFile): ModelSettings | undefined {
  const model = readOperatorConfig({ path, named })?.model
  return typeof model === 'string' ? { use: model } : model
}

/** Secrets that runs may name instead of their sources. Throws `config_invalid`. */
export function readOperatorSecrets(file: ConfigFile): OperatorSecret[] {
  return readOperatorConfig(file)?.secrets ?? []
}

function readOperatorConfig({ path, named }: ConfigFile) {
  const text = textOf(path, named)
  if (text === undefined) return undefined
  return parseYaml({ file: path, text }, OperatorConfig, 'config_invalid').value
}

function textOf(path: string, named: boolean): string | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined && !named) return undefined
  try {
    if (size !== undefined && size > YAML_BYTES_MAX)
      throw new RangeError(`It has ${size} bytes, more than ${YAML_BYTES_MAX}`)
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OpenExecError('config_invalid', `Cannot read configuration "${path}"`, {
      hint: 'OPENEXEC_CONFIG names a file that exists and can be read',
      cause,
    })
  }
}
