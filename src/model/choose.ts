/**
 * Which model a run uses: what was named, else the operator's configuration, else the key that is
 * there, else a server on this machine, else none. Never what a repository says, and never a guess
 * at what a call costs: a model without a price is refused.
 */
import { isIPv4 } from 'node:net'
import { type ModelChoice, ModelProvider, OpenExecError, hashJson } from '../schema/index.ts'
import { findLocalServer, type LocalPlace } from './local-servers.ts'
import type { ModelSettings } from './operator-config.ts'
import { FREE, type Price, PRICE_TABLE, priceOf, priceTableHash } from './prices.ts'

/** What of the environment a choice depends on. Keys never leave `src/model`. */
export interface ModelEnvironment {
  /** `provider/model` of OPENEXEC_MODEL. */
  model: string | undefined
  anthropicKey: string | undefined
  anthropicUrl: string | undefined
  openaiKey: string | undefined
  openaiUrl: string | undefined
  /** Key for an address of the operator's own. */
  ownKey: string | undefined
}

export interface ModelWish {
  /** `provider/model`, as a caller names it. */
  named: string | undefined
  /** Refuses every model that is not on this machine. */
  localOnly: boolean
}

export interface ChooseOptions {
  environment: ModelEnvironment
  settings: ModelSettings | undefined
  places: readonly LocalPlace[]
  fetch: typeof fetch
  signal: AbortSignal
}

/** What is taken when only a key is there. */
const DEFAULT_MODELS = { anthropic: 'claude-sonnet-4-5', 'openai-responses': 'gpt-5' } as const
const DEFAULT_URLS: Readonly<Record<ModelProvider, string>> = {
  anthropic: 'https://api.anthropic.com',
  'openai-responses': 'https://api.openai.com/v1',
  'openai-chat': 'https://api.openai.com/v1',
  ollama: 'http://127.0.0.1:11434',
}
const CONTEXT_TOKENS = { remote: 128_000, local: 32_768 }
const OUTPUT_TOKENS = { remote: 8192, local: 4096 }

/** Throws `config_invalid` for what cannot be used, `policy_denied` for what must stay local. */
export async function chooseModel(
  wish: ModelWish,
  options: ChooseOptions,
): Promise<ModelChoice | undefined> {
  const { environment, settings } = options
  const localOnly = wish.localOnly || settings?.local_only === true
  const named = wish.named ?? environment.model
  const choice =
    named !== undefined
      ? namedChoice(named, wish.named === undefined ? 'OPENEXEC_MODEL' : '--model', options)
      : settings !== undefined
        ? namedChoice(settings.use, 'the configuration', options)
        : (keyChoice(options, localOnly) ?? (await localChoice(options)))
  if (choice === undefined || !localOnly || choice.local) return choice
  throw new OpenExecError(
    'policy_denied',
    `Cannot use model "${choice.provider}/${choice.model}": it is not on this machine, and only a local one may be used`,
    { hint: 'Start Ollama, llama.cpp or vLLM here, or name a local model with --model' },
  )
}

function namedChoice(text: string, chosenBy: string, options: ChooseOptions): ModelChoice {
  const { provider, model } = parseModelName(text)
  const { settings, environment } = options
  // Address and price in the configuration are those of the model it names.
  const own: Partial<ModelSettings> =
    settings !== undefined && sameModel(settings.use, { provider, model }) ? settings : {}
  const ownUrl = own.base_url !== undefined
  const baseUrl = own.base_url ?? environmentUrl(provider, environment) ?? DEFAULT_URLS[provider]
  return finished({ provider, model, baseUrl, ownUrl, chosenBy }, own, environment)
}

function sameModel(use: string, { provider, model }: ReturnType<typeof parseModelName>): boolean {
  const other = parseModelName(use)
  return other.provider === provider && other.model === model
}

/** Throws `config_invalid`. */
function parseModelName(text: string): { provider: ModelProvider; model: string } {
  const [, name = '', model = ''] = /^([^/]*)\/(.+)$/s.exec(text) ?? []
  const provider = ModelProvider.safeParse(name === 'openai' ? 'openai-responses' : name)
  if (provider.success && /^[\w.:/@+-]{1,200}$/.test(model))
    return { provider: provider.data, model }
  const known = ModelProvider.options.join(', ')
  throw new OpenExecError('config_invalid', `Cannot use model "${text}": expected provider/model`, {
    hint: `Providers are openai, ${known}; for example --model anthropic/${DEFAULT_MODELS.anthropic}`,
  })
}

function keyChoice({ environment }: ChooseOptions, localOnly: boolean): ModelChoice | undefined {
  if (localOnly) return undefined
  const { anthropicKey, openaiKey } = environment
  const provider =
    anthropicKey !== undefined
      ? 'anthropic'
      : openaiKey !== undefined
        ? 'openai-responses'
        : undefined
  if (provider === undefined) return undefined
  const chosenBy = provider === 'anthropic' ? 'ANTHROPIC_API_KEY' : 'OPENAI_API_KEY'
  const baseUrl = environmentUrl(provider, environment) ?? DEFAULT_URLS[provider]
  const model = DEFAULT_MODELS[provider]
  return finished({ provider, model, baseUrl, ownUrl: false, chosenBy }, {}, environment)
}

async function localChoice(options: ChooseOptions): Promise<ModelChoice | undefined> {
  const found = await findLocalServer(options)
  if (found === undefined) return undefined
  const chosenBy = `a server at ${found.baseUrl}`
  return finished({ ...found, ownUrl: true, chosenBy }, {}, options.environment)
}

function environmentUrl(provider: ModelProvider, from: ModelEnvironment): string | undefined {
  if (provider === 'anthropic') return from.anthropicUrl
  return provider === 'ollama' ? undefined : from.openaiUrl
}

type Start = Pick<ModelChoice, 'provider' | 'model' | 'baseUrl' | 'ownUrl' | 'chosenBy'>

function finished(
  start: Start,
  settings: Partial<ModelSettings>,
  environment: ModelEnvironment,
): ModelChoice {
  const { baseUrl, local } = checkedUrl(start.baseUrl)
  const choice = { ...start, baseUrl, local }
  if (!local && baseUrl.startsWith('http:') && keyFor(choice, environment) !== undefined)
    throw new OpenExecError(
      'config_invalid',
      `Cannot send a key to "${baseUrl}" without encryption`,
      {
        hint: 'Use https, or unset the key if the server wants none',
      },
    )
  const where = local ? 'local' : 'remote'
  const outputTokens = settings.output_tokens ?? OUTPUT_TOKENS[where]
  const window = settings.context_tokens ?? CONTEXT_TOKENS[where]
  const contextTokens = window - outputTokens
  if (contextTokens < 1024)
    throw new OpenExecError(
      'config_invalid',
      `Cannot use ${window} context_tokens with ${outputTokens} output_tokens: too few are left for the prompt`,
    )
  return { ...choice, ...pricing(choice, settings), contextTokens, outputTokens }
}

function pricing(
  { provider, model, local, ownUrl }: Pick<ModelChoice, 'provider' | 'model' | 'local' | 'ownUrl'>,
  { price: given }: Partial<ModelSettings>,
): Pick<ModelChoice, 'price' | 'priceHash'> {
  if (given !== undefined) return hashed(priceGiven(given))
  if (local) return hashed(FREE)
  const known = ownUrl ? undefined : priceOf(PRICE_TABLE, { provider, model })
  if (known !== undefined) return { price: { ...known }, priceHash: priceTableHash(PRICE_TABLE) }
  throw new OpenExecError(
    'config_invalid',
    `Cannot use model "${provider}/${model}": no price is known for it, so its cost cannot be bounded`,
    {
      hint: 'Say what it costs: `price: { input: …, output: … }` below `model:` in the configuration, USD for one million tokens',
    },
  )
}

function hashed(price: Price): Pick<ModelChoice, 'price' | 'priceHash'> {
  return { price: { ...price }, priceHash: hashJson(price) }
}

function priceGiven(given: NonNullable<ModelSettings['price']>): Price {
  const micro = (usd: number) => Math.round(usd * 1_000_000)
  const input = micro(given.input)
  const write = given.cache_write === undefined ? input : micro(given.cache_write)
  return {
    inputUncached: input,
    cacheRead: given.cache_read === undefined ? input : micro(given.cache_read),
    cacheWrite5m: write,
    cacheWrite1h: write,
    output: micro(given.output),
  }
}

/** The key that belongs to the address, and to no other: a key of OpenAI's never goes elsewhere. */
export function keyFor(
  { provider, ownUrl }: Pick<ModelChoice, 'provider' | 'ownUrl'>,
  { anthropicKey, openaiKey, ownKey }: ModelEnvironment,
): string | undefined {
  if (ownUrl || provider === 'ollama') return ownKey
  return provider === 'anthropic' ? anthropicKey : openaiKey
}

function checkedUrl(text: string): { baseUrl: string; local: boolean } {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && url.username === '' && url.search === '' && url.hash === ''
  if (!isPlain || !['http:', 'https:'].includes(url.protocol))
    throw new OpenExecError('config_invalid', `Cannot use "${text}" as the address of a model`, {
      hint: 'Expected http:// or https:// with host and path, without user, query or fragment',
    })
  return { baseUrl: url.href.replace(/\/+$/, ''), local: isLoopback(url.hostname) }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}
