/**
 * The seven bounds of an agent: turns, tool calls, tokens, cost, wall time, output bytes and errors
 * in a row. What a call may use at worst is *reserved before* it and settled by what it did use, so
 * that nothing begins that could end beyond a bound. A stage's budget lies in its run's: both must
 * have room. Bounds and amounts are finite whole numbers; anything else is refused, since `NaN` would
 * pass every comparison.
 */
import { type BudgetLimits, OpenExecError, type Reason } from '../schema/index.ts'

export interface Bounds {
  turns: number
  toolCalls: number
  tokens: number
  costMicroUsd: number
  /** `ms` */
  wallMs: number
  outputBytes: number
  consecutiveErrors: number
}

/** What is used up. */
export type Spend = Omit<Bounds, 'wallMs' | 'consecutiveErrors'>

export const NO_SPEND: Spend = {
  turns: 0,
  toolCalls: 0,
  tokens: 0,
  costMicroUsd: 0,
  outputBytes: 0,
}

export interface Exceeded {
  bound: keyof Bounds
  /** `run` or `stage`. */
  level: string
  limit: number
  /** What would have been needed, the part already used included. */
  needed: number
}

export interface Reservation {
  /** What was used in truth; parts not named were not used. May exceed what was reserved. */
  settle(actual: Partial<Spend>): void
}

type Reserved = { ok: true; reservation: Reservation } | { ok: false; exceeded: Exceeded }

export interface Budget {
  reserve(worst: Partial<Spend>): Reserved
  /** The bound that is reached without any further call: wall time, errors in a row. */
  exceeded(): Exceeded | undefined
  /** Errors in a row count up to the first success. */
  note(ok: boolean): void
  spent(): Spend
  /** What can still be reserved here and above. */
  remaining(): Spend & Pick<Bounds, 'wallMs'>
}

export interface BudgetOptions {
  level: 'run' | 'stage'
  parent: Budget | undefined
  /** Used before, by an earlier process. */
  spent: Spend
  /** Monotonic `ms` at which wall time began to run. */
  startedAt: number
  now(): number
}

/** Throws `config_invalid` for bounds that are no finite positive whole numbers. */
export function createBudget(bounds: Bounds, options: BudgetOptions): Budget {
  for (const [name, limit] of entriesOf(bounds)) {
    if (!Number.isSafeInteger(limit) || limit <= 0)
      throw new OpenExecError(
        'config_invalid',
        `Cannot use ${limit} as bound "${name}": expected a finite positive whole number`,
      )
  }
  return new CountedBudget(bounds, options)
}

class CountedBudget implements Budget {
  readonly #bounds: Bounds
  readonly #options: BudgetOptions
  readonly #used: Spend
  readonly #held: Spend = { ...NO_SPEND }
  #errors = 0

  constructor(bounds: Bounds, options: BudgetOptions) {
    this.#bounds = bounds
    this.#options = options
    this.#used = checkedSpend(options.spent)
  }

  reserve(partial: Partial<Spend>): Reserved {
    const worst = checkedSpend(partial)
    const exceeded = this.#reached() ?? this.#lacking(worst)
    if (exceeded !== undefined) return { ok: false, exceeded }
    const above = this.#options.parent?.reserve(worst)
    if (above?.ok === false) return above
    add(this.#held, worst, 1)
    let open = true
    const settle = (actual: Partial<Spend>) => {
      const spent = checkedSpend(actual)
      if (!open) return
      open = false
      add(this.#held, worst, -1)
      add(this.#used, spent, 1)
      above?.reservation.settle(spent)
    }
    return { ok: true, reservation: { settle } }
  }

  exceeded(): Exceeded | undefined {
    return this.#reached() ?? this.#options.parent?.exceeded()
  }

  note(ok: boolean): void {
    this.#errors = ok ? 0 : this.#errors + 1
    this.#options.parent?.note(ok)
  }

  spent(): Spend {
    return { ...this.#used }
  }

  remaining(): Spend & Pick<Bounds, 'wallMs'> {
    const above = this.#options.parent?.remaining()
    const left = { ...NO_SPEND, wallMs: this.#bounds.wallMs - this.#elapsed() }
    for (const [bound] of entriesOf(NO_SPEND))
      left[bound] = this.#bounds[bound] - this.#used[bound] - this.#held[bound]
    for (const [bound] of entriesOf(left))
      left[bound] = Math.max(0, Math.min(left[bound], above?.[bound] ?? left[bound]))
    return left
  }

  #elapsed(): number {
    return Math.max(0, Math.ceil(this.#options.now() - this.#options.startedAt))
  }

  /** A bound that is reached whatever comes next. */
  #reached(): Exceeded | undefined {
    const { level } = this.#options
    const { wallMs, consecutiveErrors } = this.#bounds
    const elapsed = this.#elapsed()
    if (elapsed >= wallMs) return { bound: 'wallMs', level, limit: wallMs, needed: elapsed }
    if (this.#errors < consecutiveErrors) return undefined
    return {
      bound: 'consecutiveErrors',
      level,
      limit: consecutiveErrors,
      needed: this.#errors,
    }
  }

  /** The first bound that has no room for `worst`. */
  #lacking(worst: Spend): Exceeded | undefined {
    for (const [bound, amount] of entriesOf(worst)) {
      const needed = this.#used[bound] + this.#held[bound] + amount
      const limit = this.#bounds[bound]
      if (amount > 0 && needed > limit) return { bound, level: this.#options.level, limit, needed }
    }
    return undefined
  }
}

/** Limits as blueprints write them, all filled in. */
export type AgentLimits = { [Key in keyof BudgetLimits]-?: number }

/** Limits as bounds. A part of a micro-USD is not granted. */
export function boundsOfLimits(limits: AgentLimits): Bounds {
  return {
    turns: limits.max_turns,
    toolCalls: limits.max_tool_calls,
    tokens: limits.max_tokens,
    costMicroUsd: Math.max(1, Math.floor(limits.max_cost_usd * 1_000_000)),
    wallMs: limits.max_wall,
    outputBytes: limits.max_output_bytes,
    consecutiveErrors: limits.max_consecutive_errors,
  }
}

export const BOUND_REASONS = {
  turns: 'turn_limit',
  toolCalls: 'tool_call_limit',
  tokens: 'token_limit',
  costMicroUsd: 'cost_limit',
  wallMs: 'wall_limit',
  outputBytes: 'output_limit',
  consecutiveErrors: 'consecutive_errors',
} as const satisfies Record<keyof Bounds, Reason>

const UNITS: Record<keyof Bounds, string> = {
  turns: 'turns',
  toolCalls: 'tool calls',
  tokens: 'tokens',
  costMicroUsd: 'micro-USD',
  wallMs: 'ms of wall time',
  outputBytes: 'bytes of output',
  consecutiveErrors: 'errors in a row',
}

export function describeExceeded({ bound, level, limit, needed }: Exceeded): string {
  return `The ${level} may use ${limit} ${UNITS[bound]}, and the next step could come to ${needed}`
}

function checkedSpend(partial: Partial<Spend>): Spend {
  const spend = { ...NO_SPEND, ...partial }
  for (const [name, amount] of entriesOf(spend)) {
    if (!Number.isSafeInteger(amount) || amount < 0)
      throw new OpenExecError(
        'internal',
        `Cannot count ${amount} of "${name}": expected a finite whole number`,
      )
  }
  return spend
}

function add(sum: Spend, amount: Spend, sign: 1 | -1): void {
  for (const [name, value] of entriesOf(amount)) sum[name] += sign * value
}

function entriesOf<Key extends string>(record: Record<Key, number>): [Key, number][] {
  // Object.entries forgets that the keys of a closed record are known.
  return Object.entries(record) as [Key, number][]
}
