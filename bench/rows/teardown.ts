import { openBench } from '../bench-sandbox.ts'
import { type BenchRow, timed } from '../row.ts'

/** From the decision to end it until the engine has nothing of it left. */
export const teardown: BenchRow = {
  id: 'teardown',
  what: 'teardown until nothing is left',
  unit: 'ms',
  peer: 'docker rm -f (engine API)',
  target: '≤ 300 ms p50',
  rounds: 10,
  ok: ({ ours }) => ours.p50 <= 300,
  async open() {
    const bench = await openBench()
    return {
      ours: async () => {
        const sandbox = await bench.open()
        return await timed(() => sandbox.close())
      },
      peer: async () => {
        const plain = await bench.startPlain()
        return await timed(() => plain.remove({ force: true, v: true }))
      },
      close: () => bench.close(),
    }
  },
}
