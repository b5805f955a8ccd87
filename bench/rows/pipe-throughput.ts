import type Docker from 'dockerode'
import { openBench } from '../bench-sandbox.ts'
import { type BenchRow, timed } from '../row.ts'

const MB = 1_000_000
const BYTES = 200 * MB
const MB_PER_S_MIN = 150
const never = new AbortController().signal

/** Bytes a command takes from its input and gives as its output, both ways at once. */
export const pipeThroughput: BenchRow = {
  id: 'pipe_throughput',
  what: 'bytes through `cat` in a sandbox, in and out together',
  unit: 'MB/s',
  peer: 'docker exec (engine API)',
  target: `≥ ${MB_PER_S_MIN} MB/s p50`,
  rounds: 5,
  ok: ({ ours }) => ours.p50 >= MB_PER_S_MIN,
  async open() {
    const bench = await openBench()
    const sandbox = await bench.open()
    const plain = await bench.startPlain()
    const bytes = Buffer.alloc(BYTES, 'x')
    const rate = (tookMs: number) => (2 * BYTES) / MB / (tookMs / 1000)
    return {
      async ours() {
        let got = 0
        const took = await timed(() =>
          sandbox.exec({
            argv: ['/bin/cat'],
            env: {},
            cwd: '/workspace',
            timeoutMs: 120_000,
            stdin: bytes,
            onOutput: (_stream, chunk) => void (got += chunk.length),
            signal: never,
          }),
        )
        if (got !== BYTES) throw new Error(`${got} of ${BYTES} bytes came back`)
        return rate(took)
      },
      peer: async () => rate(await timed(() => throughExec(plain, bytes))),
      close: () => bench.close(),
    }
  },
}

async function throughExec(plain: Docker.Container, bytes: Buffer): Promise<void> {
  const exec = await plain.exec({ Cmd: ['/bin/cat'], AttachStdin: true, AttachStdout: true })
  const stream = await exec.start({ hijack: true, stdin: true })
  stream.end(bytes)
  stream.resume()
  await new Promise((resolve) => stream.on('end', resolve))
}
