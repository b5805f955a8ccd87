/** serve: the API over HTTP, for strangers. */
import { realpathSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Command } from 'commander'
import { join, resolve } from 'node:path'
import { Duration, OpenExecError } from '../../schema/index.ts'
import type { RateLimits } from '../../api/index.ts'
import type { ServeOptions } from '../../serve.ts'
import { sizeOf } from '../size-of.ts'
import { type CommandContext, wholeNumber } from '../command-context.ts'
import { serveUntilStopped } from '../open-server.ts'

interface ServeWords {
  listen: string
  state?: string
  allowHost?: string[]
  allowOrigin?: string[]
  repos?: string[]
  concurrency?: string
  tenantConcurrency?: string
  queue: string
  tenantQueue?: string
  tenantRate?: string
  tokenRate?: string
  failureRate?: string
  tenantStreams?: string
  trustProxy?: string[]
  webhookAllow?: string[]
  keepDays?: string
  keepRuns?: string
  keepBytes?: string
  warm: string
  drain: string
}

const HELP = `
Examples:
  openexec serve                                         on this machine alone
  openexec serve --state /var/lib/openexec --listen 0.0.0.0:7333 --allow-host ci.example.com
  curl -H "Authorization: Bearer $(cat DIR/token)" http://127.0.0.1:7333/v1/runs

The first start writes an administrator's token to DIR/token, which only you can read; make others
with \`openexec token create\`. There is no way to speak to the server without one. It speaks HTTP:
put a proxy that ends TLS before it where it can be reached from outside.

A rate is what comes back each second, and a burst what may be used at once after a rest; who asks
more often gets 429 with Retry-After. Every answer to a token tells what is left of it.
Webhooks lead to https on port 443 of public hosts; --webhook-allow http://hooks.internal:8080 lets
them lead to exactly that origin too, also where its address is a private one.
SIGTERM ends it in order: no new runs, then up to --drain for those that go on. What goes on after
that is taken over by the next start. The routes are in /v1/openapi.json and docs/api.md.`

export function registerServe(program: Command, context: CommandContext): void {
  program
    .command('serve')
    .description('Serve the API over HTTP and WebSockets, with tokens, tenants and a queue.')
    .option('--listen <host:port>', 'address to listen on', '127.0.0.1:7333')
    .option('--state <dir>', 'state directory (default: openexec in the home of state files)')
    .option('--allow-host <name>', 'a name the server is reached by; may be repeated', collect)
    .option('--allow-origin <url>', 'a page that may speak to it; may be repeated', collect)
    .option('--repos <dir>', 'whose repositories every tenant may use; may be repeated', collect)
    .option('--concurrency <count>', 'runs at once (default: by processors and memory)')
    .option('--tenant-concurrency <count>', 'runs of one tenant at once (default: all)')
    .option('--queue <count>', 'runs that may wait', '10000')
    .option('--tenant-queue <count>', 'runs of one tenant that may wait (default: all)')
    .option('--tenant-rate <rate:burst>', 'requests of a tenant (default: 200:4000)')
    .option('--token-rate <rate:burst>', 'requests of one token (default: 100:2000)')
    .option('--failure-rate <rate:burst>', 'of an address without a token (default: 0.5:60)')
    .option('--tenant-streams <count>', 'streams of one tenant at once (default: 1000)')
    .option(
      '--trust-proxy <address>',
      'whose X-Forwarded-For is believed; may be repeated',
      collect,
    )
    .option(
      '--webhook-allow <origin>',
      'where webhooks may lead beside https; may be repeated',
      collect,
    )
    .option('--keep-days <days>', 'remove ended runs that are older (default: none)')
    .option('--keep-runs <count>', 'ended runs of each tenant at most (default: all)')
    .option('--keep-bytes <size>', 'of the ended runs of each tenant at most, such as 50GB')
    .option('--warm <low:high>', 'sandboxes of each kind kept started, or 0 for none', '1:2')
    .option('--drain <duration>', 'time for runs to end after the first SIGTERM', '30s')
    .addHelpText('after', HELP)
    .action((words: ServeWords) => serve(context, words))
}

async function serve(
  { io, config, exit, leave }: CommandContext,
  words: ServeWords,
): Promise<void> {
  const drainMs = Duration.safeParse(words.drain)
  if (!drainMs.success)
    throw new OpenExecError(
      'bad_request',
      `Cannot use --drain "${words.drain}": expected a duration`,
    )
  const ended = await serveUntilStopped(io, {
    ...addressOf(words.listen),
    config,
    stateDir: resolve(io.cwd, words.state ?? config.stateDir ?? join(config.stateHome, 'openexec')),
    allowedHosts: (words.allowHost ?? []).map((name) => name.toLowerCase()),
    allowedOrigins: (words.allowOrigin ?? []).map((text) => originOf('--allow-origin', text)),
    openRoots: (words.repos ?? []).map((path) => directoryOf(resolve(io.cwd, path))),
    concurrency: countOf('--concurrency', words.concurrency),
    concurrencyOfTenant: countOf('--tenant-concurrency', words.tenantConcurrency),
    waitingMax: wholeNumber('--queue', words.queue, { min: 1, max: 1_000_000 }),
    waitingOfTenant: countOf('--tenant-queue', words.tenantQueue),
    rates: ratesOf(words),
    proxies: (words.trustProxy ?? []).map(addressOfProxy),
    hookOrigins: (words.webhookAllow ?? []).map((text) => originOf('--webhook-allow', text)),
    hookAuthorities: undefined,
    internet: undefined,
    retention: retentionOf(words),
    pool: marksOf(words.warm),
    drainMs: drainMs.data,
  })
  if (ended === 'done') return exit(0)
  io.err('Left runs that go on: the next start takes them over')
  leave(0)
}

const MARKS = /^(\d{1,3}):(\d{1,3})$/

/** How few of each kind start new ones, and how many there are at most. */
function marksOf(text: string): { low: number; high: number } | undefined {
  if (text === '0') return undefined
  const [, low, high] = (MARKS.exec(text) ?? []).map(Number)
  if (low !== undefined && high !== undefined && low >= 1 && low <= high) return { low, high }
  throw new OpenExecError('bad_request', `Cannot use --warm "${text}": expected LOW:HIGH`, {
    hint: 'For example 1:2 keeps one or two of each kind; 0 keeps none',
  })
}

const DAY_MS = 86_400_000

/** `undefined` where nothing is to be removed by itself. */
function retentionOf({ keepDays, keepRuns, keepBytes }: ServeWords): ServeOptions['retention'] {
  if ((keepDays ?? keepRuns ?? keepBytes) === undefined) return undefined
  const days = countOf('--keep-days', keepDays)
  return {
    olderThanMs: days === undefined ? Number.MAX_SAFE_INTEGER : days * DAY_MS,
    keep: 0,
    maxRuns:
      keepRuns === undefined
        ? undefined
        : wholeNumber('--keep-runs', keepRuns, { min: 1, max: 1_000_000 }),
    maxBytes: keepBytes === undefined ? undefined : sizeOf('--keep-bytes', keepBytes),
  }
}

function ratesOf(words: ServeWords): Partial<RateLimits> {
  const streams = countOf('--tenant-streams', words.tenantStreams)
  const rates = {
    tenant: rateOf('--tenant-rate', words.tenantRate),
    token: rateOf('--token-rate', words.tokenRate),
    failures: rateOf('--failure-rate', words.failureRate),
  }
  const { tenant, token, failures } = rates
  return {
    ...(tenant && { tenant }),
    ...(token && { token }),
    ...(failures && { failures }),
    ...(streams && { streamsOfTenant: streams }),
  }
}

const RATE = /^(\d{1,6}(?:\.\d{1,3})?):(\d{1,7})$/

function rateOf(name: string, text: string | undefined): RateLimits['tenant'] | undefined {
  if (text === undefined) return undefined
  const [, perSecond = 0, burst = 0] = (RATE.exec(text) ?? []).map(Number)
  if (perSecond > 0 && burst >= 1) return { perSecond, burst }
  throw new OpenExecError('bad_request', `Cannot use ${name} "${text}": expected RATE:BURST`, {
    hint: 'For example 100:2000 lets 2000 pass at once, and 100 a second after that',
  })
}

function addressOfProxy(text: string): string {
  if (isIP(text) !== 0) return text.toLowerCase()
  throw new OpenExecError('bad_request', `Cannot use --trust-proxy "${text}": expected an address`)
}

const ADDRESS = /^(?:(\[[0-9a-f:.]+\]|[^\s:[\]]+):)?(\d{1,5})$/i

function addressOf(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', digits] = ADDRESS.exec(text) ?? []
  const port = Number(digits)
  if (digits !== undefined && port <= 65_535) return { host: host.replaceAll(/^\[|\]$/g, ''), port }
  throw new OpenExecError('bad_request', `Cannot use --listen "${text}": expected HOST:PORT`, {
    hint: 'For example 127.0.0.1:7333, or [::1]:7333; port 0 takes one that is free',
  })
}

function originOf(name: string, text: string): string {
  const { origin } = URL.canParse(text) ? new URL(text) : { origin: 'null' }
  if (origin !== 'null') return origin
  throw new OpenExecError(
    'bad_request',
    `Cannot use ${name} "${text}": expected an address such as https://ci.example.com`,
  )
}

function directoryOf(path: string): string {
  try {
    return realpathSync(path)
  } catch (cause) {
    throw new OpenExecError('bad_request', `Cannot use --repos "${path}": no such directory`, {
      cause,
    })
  }
}

function countOf(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : wholeNumber(name, text, { min: 1, max: 10_000 })
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}
