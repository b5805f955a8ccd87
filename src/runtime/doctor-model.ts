/** Which model agent stages would get, and whether it answers. */
import { modelError, type Models } from '../model/index.ts'
import { type DoctorCheck, type ModelChoice, OpenExecError } from '../schema/index.ts'

/** `ms` for the one call. */
const LIVE_MS = 60_000

interface Look {
  /** Makes one tiny call with the user's own key. */
  live: boolean
  signal: AbortSignal
}

/** Runs without an agent stage need no model, so that only a call that was asked for can fail. */
export async function modelChecks(
  { models }: { models: Models },
  { live, signal }: Look,
): Promise<DoctorCheck[]> {
  try {
    const choice = await models.choose({ named: undefined, localOnly: false }, signal)
    if (choice === undefined) return [noModel(live)]
    const chosen: DoctorCheck = { name: 'model', status: 'ok', evidence: described(choice) }
    return live ? [chosen, await liveCheck(models, choice, signal)] : [chosen]
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    return [failed('model', error)]
  }
}

function noModel(live: boolean): DoctorCheck {
  return {
    name: 'model',
    status: live ? 'failed' : 'warning',
    evidence: 'none is configured, and no server on this machine offers one',
    remedy:
      'Only needed for agent stages: set ANTHROPIC_API_KEY or OPENAI_API_KEY, start Ollama, llama.cpp or vLLM, or set `model:` in the configuration',
  }
}

function described({ provider, model, baseUrl, chosenBy, price }: ModelChoice): string {
  const usd = (micro: number) => String(micro / 1_000_000)
  const cost = `${usd(price.inputUncached)} / ${usd(price.output)} USD for a million tokens`
  return `${provider}/${model} at ${baseUrl}, chosen by ${chosenBy}, ${cost}`
}

async function liveCheck(
  models: Models,
  choice: ModelChoice,
  signal: AbortSignal,
): Promise<DoctorCheck> {
  const started = performance.now()
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIVE_MS)])
  const outcome = await models.ping(choice, limit)
  if (!outcome.ok) return failed('model call', modelError(outcome.failure, choice.model))
  const { inputUncached, cacheRead, output, costMicroUsd } = outcome.response.usage
  const took = Math.round(performance.now() - started)
  return {
    name: 'model call',
    status: 'ok',
    evidence: `answered in ${took} ms: ${inputUncached + cacheRead} tokens in, ${output} out, ${costMicroUsd} micro-USD`,
  }
}

function failed(name: string, { message, hint }: OpenExecError): DoctorCheck {
  return { name, status: 'failed', evidence: message, ...(hint !== undefined && { remedy: hint }) }
}
