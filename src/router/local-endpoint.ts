/**
 * A model on this machine that is asked for one word when nothing else is sure: any server that
 * speaks Chat Completions. It is no model of agent stages: it sees the request without its secrets,
 * chooses among kinds that are known, and whatever else it says is no answer.
 */
import { redactLines } from '../model/index.ts'
import { OpenExecError } from '../schema/index.ts'
import { KINDS, type Kind } from './weights.ts'

export interface Endpoint {
  /** Base address, such as `http://127.0.0.1:11434/v1`. */
  url: string
  model: string
}

const TIMEOUT_MS = 8000
const ANSWER_BYTES_MAX = 64 * 1024
const TEXT_MAX = 4000
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

const SYSTEM = `You sort requests to a coding tool. Answer with one word of this list and nothing else: ${KINDS.join(', ')}.
bugfix: something works wrongly and shall be repaired. change: something is to be added, changed or removed. ci_failure: a build or pipeline fails. check: run tests or linters and change nothing. question: wants an explanation. other: anything else.`

/** Throws `config_invalid` for an address that is not this machine's own. */
export function localEndpoint({
  url,
  model,
}: {
  url: string | undefined
  model: string | undefined
}): Endpoint | undefined {
  if (url === undefined || url === '') return undefined
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isLocal =
    parsed !== undefined && /^https?:$/.test(parsed.protocol) && LOOPBACK.test(parsed.hostname)
  if (isLocal && model !== undefined && model !== '') return { url: url.replace(/\/+$/, ''), model }
  throw new OpenExecError(
    'config_invalid',
    `Cannot ask "${url}" where requests belong: expected an address of this machine and a model`,
    {
      hint: 'Set OPENEXEC_ROUTER_URL to http://127.0.0.1:PORT/v1 and OPENEXEC_ROUTER_MODEL to a name the server knows',
    },
  )
}

/** Never throws but when cancelled; an endpoint that does not answer decides nothing. */
export async function askEndpoint(
  { url, model }: Endpoint,
  text: string,
  signal: AbortSignal,
): Promise<{ kind: Kind | undefined; reason: string }> {
  const { lines } = redactLines(text.slice(0, TEXT_MAX).split('\n'))
  try {
    const answer = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      redirect: 'error',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      body: JSON.stringify({
        model,
        temperature: 0,
        max_tokens: 8,
        messages: [
          { role: 'system', content: SYSTEM },
          { role: 'user', content: lines.join('\n') },
        ],
      }),
    })
    if (!answer.ok) return { kind: undefined, reason: `the local model answered ${answer.status}` }
    const word = wordOf(await boundedText(answer))
    const kind = KINDS.find((known) => known === word)
    if (kind !== undefined) return { kind, reason: `the local model says ${kind}` }
    return { kind: undefined, reason: 'the local model gave no kind that is known' }
  } catch (error) {
    if (signal.aborted)
      throw new OpenExecError('cancelled', 'Cannot route: cancelled', { cause: error })
    return { kind: undefined, reason: 'the local model did not answer' }
  }
}

async function boundedText(answer: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > ANSWER_BYTES_MAX) return ''
  }
  return text
}

function wordOf(body: string): string | undefined {
  const [first]: unknown[] = [field(parsed(body), 'choices')].flat()
  const content = field(field(first, 'message'), 'content')
  return typeof content === 'string'
    ? content
        .trim()
        .toLowerCase()
        .replace(/[."'`]/g, '')
    : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
