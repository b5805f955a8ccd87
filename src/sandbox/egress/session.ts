/**
 * One connection from a sandbox: what it may reach is the list that was in force when it came, its
 * time is limited, and it leaves one record for each authority it asked for.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { NetworkList } from '../../policy/index.ts'
import { deferred } from '../pipe-deferred.ts'
import type { EgressLimits } from './limits.ts'
import type { Refusal } from './way-out.ts'

/** What became of one wish to reach a host. */
export interface EgressRecord {
  stage: string
  via: 'http' | 'tunnel' | 'socks'
  /** Of a request that could be read. */
  method?: string
  host: string
  port: number
  outcome: 'allowed' | 'denied' | 'failed'
  rule: string
  /** Names of secrets that were attached. */
  secrets: readonly string[]
  reason: string
  remedy: string
  /** To the host */
  bytesOut: number
  /** From the host */
  bytesIn: number
  durationMs: number
}

export interface SessionDeps {
  client: Duplex
  list: NetworkList
  limits: EgressLimits
  /** Monotonic `ms` */
  now(): number
  onRecord(record: EgressRecord): void
  /** False when the sandbox has used up its bytes. */
  spend(bytes: number): boolean
}

/** A connection to a host, which is recorded when it is over. */
interface Followed {
  /** Leaves no record: it was refused after all, and that has one. */
  drop(): void
}

export class Session {
  readonly client: Duplex
  readonly list: NetworkList
  readonly limits: EgressLimits
  #deps: SessionDeps
  #end = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #total: NodeJS.Timeout
  #following = 0
  #over = deferred<void>()

  constructor(deps: SessionDeps) {
    this.#deps = deps
    this.client = deps.client
    this.list = deps.list
    this.limits = deps.limits
    this.#total = setTimeout(() => this.destroy(), deps.limits.connectionMs)
    // Errors of a connection concern nobody else; both ends go.
    deps.client.on('error', () => this.destroy()).on('close', () => this.destroy())
  }

  /** Resolves once nothing of the connection is left, and everything is recorded. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** Aborted at the end of the connection. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** Ends the connection unless it is armed again in time. */
  arm(timeoutMs: number): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = this.#end.signal.aborted ? undefined : setTimeout(() => this.destroy(), timeoutMs)
  }

  /** A byte has passed: idle time begins anew. */
  touch(): void {
    this.#timer?.refresh()
  }

  disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  refused(via: EgressRecord['via'], refusal: Refusal): void {
    const { outcome, host, port, rule, reason, remedy } = refusal
    const { stage } = this.list
    const none = { secrets: [], bytesOut: 0, bytesIn: 0, durationMs: 0 }
    this.#deps.onRecord({ stage, via, host, port, outcome, rule, reason, remedy, ...none })
  }

  /** Counts what passes, and tells it when the connection to the host is over. */
  follow(
    upstream: Socket,
    about: Pick<EgressRecord, 'via' | 'method' | 'host' | 'port' | 'rule' | 'secrets'>,
  ): Followed {
    const startedAt = this.#deps.now()
    let isTold = true
    this.#following++
    const gone = () => upstream.destroy()
    this.signal.addEventListener('abort', gone, { once: true })
    if (this.signal.aborted) gone()
    upstream.on('error', gone)
    upstream.once('close', () => {
      this.signal.removeEventListener('abort', gone)
      this.#following--
      if (isTold)
        this.#deps.onRecord({
          ...about,
          stage: this.list.stage,
          outcome: 'allowed',
          reason: '',
          remedy: '',
          bytesOut: upstream.bytesWritten,
          bytesIn: upstream.bytesRead,
          durationMs: Math.round(this.#deps.now() - startedAt),
        })
      this.#settle()
    })
    return { drop: () => void (isTold = false) }
  }

  /** Called for every chunk in either direction. */
  count(bytes: number): void {
    this.touch()
    if (!this.#deps.spend(bytes)) this.destroy()
  }

  destroy(): void {
    if (this.#end.signal.aborted) return
    this.#end.abort()
    this.disarm()
    clearTimeout(this.#total)
    this.client.destroy()
    this.#settle()
  }

  #settle(): void {
    if (this.#end.signal.aborted && this.#following === 0) this.#over.resolve()
  }
}
