/** What a server does on its own, beside the runs it executes: each by a timer, until it ends. */
import type { OpenedRuntime } from './program.ts'
import {
  createHookSender,
  createScheduler,
  HOOK_LOOK_MS,
  type HookSender,
  keepDoing,
  requestOfBody,
  type Retention,
  type Scheduler,
  type Service,
} from './runtime/index.ts'
import type { Internet } from './sandbox/index.ts'
import { DEFAULT_TENANT, JsonObject, type Log, OpenExecError } from './schema/index.ts'
import { countDeliveries } from './state/index.ts'

export interface BackgroundOptions {
  log: Log
  internet: Internet
  openRoots: readonly string[]
  /** What of ended runs stays; all of it when undefined. */
  retention: Retention | undefined
  /** Origins webhooks may lead to although they are not https at a public name. */
  hookOrigins: readonly string[]
  /** Authorities that receivers' certificates may come from, PEM; Node's own when undefined. */
  hookAuthorities: readonly string[] | undefined
}

export interface Background {
  /** For `/metrics`. */
  figures(): {
    deliveries: Record<string, number>
    waiting: number
    ticks: Record<string, number>
  }
  stop(): Promise<void>
}

/** From the name of a receiver to its status, in `ms`. */
const SEND_MS = 15_000

const TICK_LOOK_MS = 1_000
/** Between two rounds of removing old runs. */
const RETENTION_MS = 3_600_000

interface Parts {
  opened: OpenedRuntime
  service: Service
}

export function startBackground(parts: Parts, options: BackgroundOptions): Background {
  const { opened } = parts
  const { state } = opened.deps
  const sender = hookSender(opened, options)
  const ticking = scheduler(parts, options)
  const stopping = new AbortController()
  const cleaning = keepRetention(opened, options, stopping.signal)
  const timers = [
    setInterval(() => guarded(options.log, () => sender.look()), HOOK_LOOK_MS),
    setInterval(() => guarded(options.log, () => ticking.look()), TICK_LOOK_MS),
  ]
  return {
    figures: () => ({
      deliveries: sender.counts(),
      waiting: countDeliveries(state.db, undefined),
      ticks: ticking.counts(),
    }),
    async stop() {
      for (const timer of timers) clearInterval(timer)
      stopping.abort()
      await Promise.all([sender.stop(), ticking.stop(), cleaning])
    },
  }
}

function hookSender(
  { deps: { state, now, newId }, tokens }: OpenedRuntime,
  { log, internet, hookOrigins, hookAuthorities }: BackgroundOptions,
): HookSender {
  return createHookSender({
    state,
    now,
    newId,
    random: Math.random,
    internet,
    authorities: hookAuthorities,
    limitMs: SEND_MS,
    allowed: hookOrigins,
    onDisabled: ({ tenant, id, reason }) => {
      const by = { tenant, actor: 'server', scopes: [], requestId: undefined }
      tokens.record(by, { action: 'webhook.disable', subject: id, details: { reason } })
      log.warn(`Webhook ${id} was disabled: ${reason}`)
    },
  })
}

function scheduler({ opened, service }: Parts, { openRoots }: BackgroundOptions): Scheduler {
  const { deps, root, tokens, uploads } = opened
  return createScheduler({
    state: deps.state,
    now: deps.now,
    tokens,
    requestOf: (body, caller) => requestOfBody({ root, openRoots, uploads }, body, caller),
    submit: service.submit,
  })
}

/** Never throws: a round that fails is told, and tried again with the next. */
async function keepRetention(
  { runtimeOf, tokens }: OpenedRuntime,
  { retention, log }: BackgroundOptions,
  signal: AbortSignal,
): Promise<void> {
  if (retention === undefined) return
  const rounds = { action: 'remove old runs', restMs: RETENTION_MS, log, signal }
  await keepDoing(rounds, async () => {
    const report = await runtimeOf(DEFAULT_TENANT).gc({ ...retention, signal })
    const details = { ...retention, runs: report.runs.length }
    const by = { tenant: DEFAULT_TENANT, actor: 'server', scopes: [], requestId: undefined }
    if (report.runs.length > 0)
      tokens.record(by, {
        action: 'gc',
        subject: undefined,
        details: JsonObject.parse(JSON.parse(JSON.stringify(details))),
      })
    return RETENTION_MS
  })
}

/** A database that cannot be read or written just now is tried again with the next look. */
function guarded(log: Log, look: () => void): void {
  try {
    look()
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    log.warn(error.message)
  }
}
