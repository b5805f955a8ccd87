import { open } from 'node:fs/promises'
import { OpenExecError, YAML_BYTES_MAX } from '../schema/index.ts'
import type { Model } from './model.ts'
import { parseScript } from './script.ts'
import { createScriptedModel } from './scripted.ts'

export interface ModelConfig {
  /** What is played when there is no script; `undefined` when no model was found. */
  other: (() => Promise<Model>) | undefined
  /** Path of a script for the `scripted` model; `undefined` when none was named. */
  scriptFile: string | undefined
  /** Model calls this run has made before, so that a resumed script goes on where it was. */
  callsBefore: number
}

/**
 * The model of a run: what was configured, never a guess and never a pretence. Throws
 * `no_model_configured` when nothing is, `config_invalid` when the script cannot be read.
 */
export async function selectModel(config: ModelConfig): Promise<Model> {
  const { scriptFile, callsBefore, other } = config
  if (scriptFile === undefined && other !== undefined) return await other()
  if (scriptFile === undefined)
    throw new OpenExecError(
      'no_model_configured',
      'Cannot run an agent stage: no model is configured',
      {
        hint: 'Set ANTHROPIC_API_KEY or OPENAI_API_KEY, start Ollama, llama.cpp or vLLM on this machine, or name a model with --model provider/model; --model-script FILE plays a script, and blueprints without agent stages need none',
      },
    )
  const text = await readScript(scriptFile)
  return createScriptedModel(parseScript({ file: scriptFile, text }), { callsBefore })
}

async function readScript(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      // One byte more than is allowed, so that the YAML door sees and names an oversized file.
      const buffer = Buffer.alloc(YAML_BYTES_MAX + 1)
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new OpenExecError('config_invalid', `Cannot read model script "${path}"`, {
      hint: 'Name a file that exists and can be read',
      cause: error,
    })
  }
}
