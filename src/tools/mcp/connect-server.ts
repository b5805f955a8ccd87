/**
 * One server of the protocol, as a client that trusts nothing of it: every wait has a limit, it is
 * offered no capability of ours, and the first thing that is not as agreed ends it.
 */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type * as Types from '@modelcontextprotocol/sdk/types.js'
import { OpenExecError } from '../../schema/index.ts'
import type { McpPins } from '../../schema/index.ts'
import { pinsOf } from './pins.ts'
import { type PipeProcess, PipeTransport } from './pipe-transport.ts'

/** `ms` */
const START_TIMEOUT_MS = 10_000
const CALL_TIMEOUT_MS = 60_000
const PAGES_MAX = 16
const STDERR_BYTES_MAX = 2000

/** Starts the process of a server; its output goes to `onOutput`. */
export type StartServer = (
  onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void,
) => Promise<PipeProcess & { ended: Promise<string> }>

interface ServerAnswer {
  ok: boolean
  text: string
}

export interface ConnectedServer {
  /** All it lists now, in the form that is pinned. Throws `bad_request`, `tool`-level failures. */
  list(signal: AbortSignal): Promise<McpPins>
  call(name: string, args: object, signal: AbortSignal): Promise<ServerAnswer>
  /** Whether it has said since the last `list()` that its list is another one. */
  saysChanged(): boolean
  close(): Promise<void>
}

/** Throws `sandbox_failed` with why it cannot be used. */
export async function connectServer(
  name: string,
  start: StartServer,
  { signal }: { signal: AbortSignal },
): Promise<ConnectedServer> {
  const [{ Client }, types] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/types.js'),
  ])
  const { transport, failed } = await openTransport(name, start, signal)
  let changed = false
  const client = new Client({ name: 'openexec', version: '1' }, { capabilities: {} })
  client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => {
    changed = true
  })
  client.onerror = () => {}
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (error instanceof OpenExecError) throw error
      throw failed(error)
    }
  }
  try {
    // The SDK types optional members as ours are not: `undefined` stands for absent.
    const carrier = transport as Parameters<typeof client.connect>[0]
    await client.connect(carrier, { timeout: START_TIMEOUT_MS, signal })
  } catch (error) {
    await transport.close()
    throw failed(error)
  }
  return {
    list(until) {
      changed = false
      return guarded(() => listAll({ client, types }, until))
    },
    call: (tool, args, until) =>
      guarded(() => callOne({ client, types, transport }, { tool, args }, until)),
    saysChanged: () => changed,
    close: () => transport.close(),
  }
}

interface Protocol {
  client: Client
  types: typeof Types
}

/** The process of the server, and what its failures mean. */
async function openTransport(name: string, start: StartServer, signal: AbortSignal) {
  const transport = new PipeTransport()
  let errors = ''
  const running = await start((stream, chunk) => {
    if (stream === 'stdout') transport.take(chunk)
    else if (errors.length < STDERR_BYTES_MAX) errors += Buffer.from(chunk).toString('utf8')
  })
  transport.attach(running)
  let ending = ''
  void running.ended.then((how) => {
    ending = how
    void transport.close()
  })
  const failed = (cause: unknown): OpenExecError => {
    if (signal.aborted) return new OpenExecError('cancelled', 'Cancelled a server', { cause })
    const tail = errors.trim().slice(-500)
    const said = tail === '' ? '' : `; it wrote ${JSON.stringify(tail)}`
    const why = transport.fault ?? (ending === '' ? wordsOf(cause) : ending)
    const message = `Cannot use MCP server "${name}": ${why}${said}`
    return new OpenExecError('sandbox_failed', message, { cause })
  }
  return { transport, failed }
}

async function listAll({ client, types }: Protocol, signal: AbortSignal): Promise<McpPins> {
  const tools: unknown[] = []
  let cursor: string | undefined
  for (let page = 0; page < PAGES_MAX; page++) {
    const params = cursor === undefined ? {} : { cursor }
    const request = { method: 'tools/list' as const, params }
    const options = { timeout: START_TIMEOUT_MS, signal }
    const answer = await client.request(request, types.ListToolsResultSchema, options)
    tools.push(...answer.tools)
    cursor = answer.nextCursor
    if (cursor === undefined) return pinsOf(tools)
  }
  throw new OpenExecError('bad_request', `It lists its tools on more than ${PAGES_MAX} pages`)
}

async function callOne(
  { client, types, transport }: Protocol & { transport: PipeTransport },
  { tool, args }: { tool: string; args: object },
  signal: AbortSignal,
): Promise<ServerAnswer> {
  const request = { method: 'tools/call' as const, params: { name: tool, arguments: { ...args } } }
  const options = { timeout: CALL_TIMEOUT_MS, signal }
  const asked = client.request(request, types.CallToolResultSchema, options)
  const answer = await asked.catch((error: unknown) => {
    // An error that the server answers with is an answer: wrong arguments, for one.
    const isAnswer = error instanceof types.McpError && !transport.isClosed()
    if (!isAnswer || error.code === Number(types.ErrorCode.RequestTimeout)) throw error
    return { isError: true, content: [{ type: 'text' as const, text: error.message }] }
  })
  return { ok: answer.isError !== true, text: textOf(answer.content) }
}

/** Only text is for a model here; what else there is, is named. */
function textOf(content: readonly { type: string; text?: unknown }[]): string {
  const parts = content.map(({ type, text }) =>
    type === 'text' && typeof text === 'string' ? text : `[${type} left out]`,
  )
  return parts.length === 0 ? '(no output)' : parts.join('\n')
}

function wordsOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.slice(0, 300) : 'it failed'
}
