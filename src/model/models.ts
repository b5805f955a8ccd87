/** The models of this program: chooses one for a run, opens it, and asks it whether it is there. */
import {
  type CassetteMode,
  type ModelChoice,
  type ModelProvider,
  OpenExecError,
  type RunId,
} from '../schema/index.ts'
import { createAnthropicModel } from './anthropic.ts'
import { openCassette } from './cassette.ts'
import {
  chooseModel,
  type ChooseOptions,
  keyFor,
  type ModelEnvironment,
  type ModelWish,
} from './choose.ts'
import type { HttpModelOptions } from './http-model.ts'
import { LOCAL_PLACES } from './local-servers.ts'
import type { Model, ModelOutcome } from './model.ts'
import { createOllamaModel } from './ollama.ts'
import { createOpenAiChatModel } from './openai-chat.ts'
import { createOpenAiResponsesModel } from './openai-responses.ts'
import { type ConfigFile, readModelSettings } from './operator-config.ts'

/** Below the five minutes after which the platform's own fetch gives up. */
const IDLE_MS = 290_000
/** Runs whose cassettes are kept open, each at its place. */
const CASSETTES_MAX = 64

export interface ModelsDeps {
  environment: ModelEnvironment
  config: ConfigFile
  now(): number
}

interface ModelUse {
  run: RunId
  cassette: { file: string; mode: CassetteMode } | undefined
}

export interface Models {
  /**
   * The model for a new run; `undefined` when there is none. Throws `config_invalid`, and
   * `policy_denied` for one that is not on this machine where it must be.
   */
  choose(wish: ModelWish, signal: AbortSignal): Promise<ModelChoice | undefined>
  /** Throws `no_model_configured` when its key is not there, `config_invalid` for the cassette. */
  open(choice: ModelChoice, use: ModelUse): Promise<Model>
  /** One tiny call with the operator's own key. */
  ping(choice: ModelChoice, signal: AbortSignal): Promise<ModelOutcome>
}

const ADAPTERS: Readonly<Record<ModelProvider, (options: HttpModelOptions) => Model>> = {
  'openai-responses': createOpenAiResponsesModel,
  'openai-chat': createOpenAiChatModel,
  anthropic: createAnthropicModel,
  ollama: createOllamaModel,
}

export function createModels(deps: ModelsDeps): Models {
  const { environment, config } = deps
  const cassettes = createCassettes(deps)
  const open = (choice: ModelChoice, send: typeof fetch, apiKey: string | undefined) =>
    ADAPTERS[choice.provider]({
      provider: choice.provider,
      model: choice.model,
      baseUrl: choice.baseUrl,
      apiKey,
      price: choice.price,
      window: { contextTokens: choice.contextTokens, outputTokens: choice.outputTokens },
      fetch: send,
      idleMs: IDLE_MS,
      now: deps.now,
    })
  return {
    async choose(wish, signal) {
      const settings = readModelSettings(config)
      const options: ChooseOptions = { environment, settings, places: LOCAL_PLACES, fetch, signal }
      return await chooseModel(wish, options)
    },
    async open(choice, use) {
      // What was recorded needs no key, and no network.
      if (use.cassette?.mode !== 'replay') refuseWithoutKey(choice, environment)
      return open(choice, await cassettes(use), keyFor(choice, environment))
    },
    async ping(choice, signal) {
      refuseWithoutKey(choice, environment)
      const model = open(choice, fetch, keyFor(choice, environment))
      return await model.generate(PING, { signal })
    },
  }
}

const PING = {
  stage: 'doctor',
  system: 'Answer with one word.',
  messages: [{ role: 'user' as const, text: 'Say ok.' }],
  tools: [],
  maxOutputTokens: 256,
}

function refuseWithoutKey(choice: ModelChoice, environment: ModelEnvironment): void {
  const { provider, model, ownUrl, local } = choice
  if (local || ownUrl || keyFor(choice, environment) !== undefined) return
  const name = provider === 'anthropic' ? 'ANTHROPIC_API_KEY' : 'OPENAI_API_KEY'
  throw new OpenExecError(
    'no_model_configured',
    `Cannot use model "${provider}/${model}": there is no key for it`,
    { hint: `Set ${name}` },
  )
}

/** One for a run, whatever stage uses it: its answers come in their order over the whole run. */
function createCassettes({ environment }: ModelsDeps): (use: ModelUse) => Promise<typeof fetch> {
  const { anthropicKey, openaiKey, ownKey } = environment
  const secrets = [anthropicKey, openaiKey, ownKey].filter((key) => key !== undefined)
  const opened = new Map<RunId, Promise<typeof fetch>>()
  return async ({ run, cassette }) => {
    if (cassette === undefined) return fetch
    const known = opened.get(run) ?? openCassette({ ...cassette, fetch, secrets })
    opened.set(run, known)
    const [oldest] = opened.keys()
    if (opened.size > CASSETTES_MAX && oldest !== undefined) opened.delete(oldest)
    return await known
  }
}
