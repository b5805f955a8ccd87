import { openBench } from '../bench-sandbox.ts'
import { type BenchRow, timed } from '../row.ts'

const never = new AbortController().signal

/** One `/bin/true` in something that is ready: request to exit code. */
export const command: BenchRow = {
  id: 'command',
  what: 'a command in a ready sandbox, request to exit code',
  unit: 'ms',
  peer: 'docker exec (engine API)',
  target: '≤ 1/20 of the peer and ≤ 3 ms p50',
  rounds: 60,
  ok: ({ ours, ratio }) => ratio <= 0.05 && ours.p50 <= 3,
  async open() {
    const bench = await openBench()
    const sandbox = await bench.open()
    const plain = await bench.startPlain()
    return {
      ours: () =>
        timed(() =>
          sandbox.exec({
            argv: ['/bin/true'],
            env: {},
            cwd: '/workspace',
            timeoutMs: 10_000,
            stdin: new Uint8Array(),
            onOutput: () => {},
            signal: never,
          }),
        ),
      peer: () =>
        timed(async () => {
          const exec = await plain.exec({
            Cmd: ['/bin/true'],
            AttachStdout: true,
            AttachStderr: true,
          })
          const stream = await exec.start({})
          stream.resume()
          await new Promise((resolve) => stream.on('end', resolve))
          await exec.inspect()
        }),
      close: () => bench.close(),
    }
  },
}
