import { openBench } from '../bench-sandbox.ts'
import type { BenchRow } from '../row.ts'

const ADDED_MS_MAX = 50

/** A sandbox with its receipt against a container with nothing but an idle program, both to ready. */
export const hardening: BenchRow = {
  id: 'hardening',
  what: 'hardening + receipt on top of a plain container',
  unit: 'ms',
  peer: 'plain create + start (engine API)',
  target: `≤ ${ADDED_MS_MAX} ms more than the peer at p50`,
  rounds: 12,
  ok: ({ ours, peer }) => ours.p50 - peer.p50 <= ADDED_MS_MAX,
  async open() {
    const bench = await openBench()
    return {
      ours: async () => {
        const started = performance.now()
        const sandbox = await bench.open()
        const took = performance.now() - started
        await sandbox.close()
        return took
      },
      peer: async () => {
        const started = performance.now()
        const plain = await bench.startPlain()
        const took = performance.now() - started
        await plain.remove({ force: true, v: true })
        return took
      },
      close: () => bench.close(),
    }
  },
}
