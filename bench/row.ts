/** One line of the table: our way and the peer's way of doing the same thing, measured in turns. */
export interface BenchRow {
  /** Stable; scripts and comparisons name it. */
  id: string
  what: string
  unit: 'ms' | 'MB/s' | '1/s'
  peer: string
  /** Readable rule: what `ok` means. */
  target: string
  /** Rounds measured; each takes one sample of ours and one of the peer. */
  rounds: number
  /** Rounds before those that count; 2 unless said. */
  warmUps?: number
  /** Opens what the samples need; the returned `close` runs whatever happens. */
  open(): Promise<OpenRow>
  ok(figures: { ours: Figures; peer: Figures; ratio: number }): boolean
}

interface OpenRow {
  /** One sample or a batch of them, in the unit of the row. */
  ours(): Promise<number | readonly number[]>
  peer(): Promise<number | readonly number[]>
  close(): Promise<void>
}

export interface Figures {
  p50: number
  p99: number
  n: number
}

/** Nearest-rank percentiles. */
export function figuresOf(samples: readonly number[]): Figures {
  const sorted = [...samples].sort((a, b) => a - b)
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { p50: round(rank(0.5)), p99: round(rank(0.99)), n: sorted.length }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}

/** Duration of `work` in `ms`. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
