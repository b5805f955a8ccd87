import { openEgressBench } from '../bench-egress.ts'
import { type BenchRow, figuresOf } from '../row.ts'

const MB = 1_000_000
const SMALL = '/100'
const BATCH = 20
const OVER_P50_MAX = 3
const OVER_P99_MAX = 15
const LARGE_MB = 100
const RATE_MIN = 100
const CROWD = 200
/** Bytes that keep a connection of the crowd open for as long as it is measured. */
const CROWD_BYTES = MB

/** A tunnel, a TLS greeting whose name is checked, one request: what a small one costs more. */
export const egressSmall: BenchRow = {
  id: 'egress_small',
  what: 'small HTTPS request out of a sandbox, beyond the same one sent direct',
  unit: 'ms',
  peer: 'tinyproxy or squid on the loopback',
  target: `≤ ${OVER_P50_MAX} ms p50, ≤ ${OVER_P99_MAX} ms p99`,
  rounds: 10,
  ok: ({ ours }) => ours.p50 <= OVER_P50_MAX && ours.p99 <= OVER_P99_MAX,
  async open() {
    const bench = await openEgressBench()
    const beyond = async (way: typeof bench.door) => {
      const direct = await bench.direct(SMALL, BATCH)
      const base = figuresOf(direct.map(({ seconds }) => seconds * 1000)).p50
      return (await way(SMALL, BATCH)).map(({ seconds }) => seconds * 1000 - base)
    }
    return {
      peer: () => beyond(bench.proxy),
      ours: () => beyond(bench.door),
      close: () => bench.close(),
    }
  },
}

export const egressLarge: BenchRow = {
  id: 'egress_large',
  what: `${LARGE_MB} MB over HTTPS out of a sandbox`,
  unit: 'MB/s',
  peer: 'tinyproxy or squid on the loopback',
  target: `≥ ${RATE_MIN} MB/s p50`,
  rounds: 5,
  ok: ({ ours }) => ours.p50 >= RATE_MIN,
  async open() {
    const bench = await openEgressBench()
    const rate = async (way: typeof bench.door, costs: boolean) => {
      const before = process.cpuUsage()
      const [fetched] = await way(`/${LARGE_MB * MB}`, 1)
      const { user, system } = process.cpuUsage(before)
      if (costs)
        console.error(`  ${((user + system) / 1000 / LARGE_MB).toFixed(1)} ms of CPU a MB here`)
      return LARGE_MB / (fetched?.seconds ?? Number.NaN)
    }
    return {
      ours: () => rate(bench.door, true),
      peer: () => rate(bench.proxy, false),
      close: () => bench.close(),
    }
  },
}

/** What other runs feel when one of them has as many connections as it may. */
export const egressCrowd: BenchRow = {
  id: 'egress_crowd',
  what: `small HTTPS request of one sandbox while another downloads on ${CROWD} connections`,
  unit: 'ms',
  peer: 'the same while nobody does',
  target: 'all of them answered, p99 ≤ 250 ms',
  rounds: 5,
  ok: ({ ours }) => ours.p99 <= 250,
  async open() {
    const bench = await openEgressBench()
    const other = await bench.another()
    const ask = async () => (await bench.door(SMALL, BATCH)).map(({ seconds }) => seconds * 1000)
    return {
      async ours() {
        const crowd = other(`/${CROWD_BYTES}`, CROWD, CROWD)
        const took = await ask()
        const all = await crowd
        if (all.length !== CROWD) throw new Error(`${all.length} of ${CROWD} were answered`)
        return took
      },
      peer: ask,
      close: () => bench.close(),
    }
  },
}
