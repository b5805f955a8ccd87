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

export const NO_SPEND: Spend = { turns: 0, toolCalls: 0, tokens: 0, costMicroUsd: 0, outputBytes: 0 }

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

export type Reserved = { ok: true; reservation: Reservation } | { ok: false; exceeded: Exceeded }

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
  const { level, parent, startedAt, now } = options
  const used: Spend = checkedSpend(options.spent)
  const held: Spend = { ...NO_SPEND }
  let errors = 0
  const elapsed = () => Math.max(0, Math.ceil(now() - startedAt))

  function own(): Exceeded | undefined {
    if (elapsed() >= bounds.wallMs)
      return { bound: 'wallMs', level, limit: bounds.wallMs, needed: elapsed() }
    if (errors < bounds.consecutiveErrors) return undefined
    return { bound: 'consecutiveErrors', level, limit: bounds.consecutiveErrors, needed: errors }
  }

  function lacking(worst: Spend): Exceeded | undefined {
    for (const [bound, amount] of entriesOf(worst)) {
      const needed = used[bound] + held[bound] + amount
      if (amount > 0 && needed > bounds[bound]) return { bound, level, limit: bounds[bound], needed }
    }
    return undefined
  }

  return {
    reserve(partial) {
      const worst = checkedSpend(partial)
      const exceeded = own() ?? lacking(worst)
      if (exceeded !== undefined) return { ok: false, exceeded }
      const above = parent?.reserve(worst)
      if (above?.ok === false) return above
      add(held, worst, 1)
      let open = true
      return {
        ok: true,
        reservation: {
          settle(actual) {
            const spent = checkedSpend(actual)
            if (open) {
              add(held, worst, -1)
              add(used, spent, 1)
              above?.reservation.settle(spent)
            }
            open = false
          },
        },
      }
    },
    exceeded: () => own() ?? parent?.exceeded(),
    note(ok) {
      errors = ok ? 0 : errors + 1
      parent?.note(ok)
    },
    spent: () => ({ ...used }),
    remaining() {
      const above = parent?.remaining()
      const left = (bound: keyof Spend) =>
        Math.max(
          0,
          Math.min(bounds[bound] - used[bound] - held[bound], above?.[bound] ?? Infinity),
        )
      return {
        turns: left('turns'),
        toolCalls: left('toolCalls'),
        tokens: left('tokens'),
        costMicroUsd: left('costMicroUsd'),
        outputBytes: left('outputBytes'),
        wallMs: Math.max(0, Math.min(bounds.wallMs - elapsed(), above?.wallMs ?? Infinity)),
      }
    },
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
