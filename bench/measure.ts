import { type BenchRow, type Figures, figuresOf } from './row.ts'

export interface MeasuredRow {
  id: string
  what: string
  unit: string
  ours: Figures
  peer: Figures & { name: string }
  /** Ours divided by the peer's, at p50. */
  ratio: number
  target: string
  ok: boolean
}

const WARM_UP_ROUNDS = 2

/** Measures ours and the peer in alternation, so that what else the machine does hits both. */
export async function measure(row: BenchRow): Promise<MeasuredRow> {
  const open = await row.open()
  try {
    const warmUps = row.warmUps ?? WARM_UP_ROUNDS
    const ours: number[] = []
    const peer: number[] = []
    for (let round = 0; round < row.rounds + warmUps; round++) {
      const samples = round % 2 === 0 ? [await open.ours(), await open.peer()] : undefined
      const [first, second] = samples ?? [await open.peer(), await open.ours()].reverse()
      if (round < warmUps || first === undefined || second === undefined) continue
      ours.push(...[first].flat())
      peer.push(...[second].flat())
    }
    const figures = { ours: figuresOf(ours), peer: figuresOf(peer) }
    const ratio = Math.round((figures.ours.p50 / figures.peer.p50) * 10_000) / 10_000
    const { id, what, unit, target } = row
    return {
      id,
      what,
      unit,
      ours: figures.ours,
      peer: { name: row.peer, ...figures.peer },
      ratio,
      target,
      ok: row.ok({ ...figures, ratio }),
    }
  } finally {
    await open.close()
  }
}
