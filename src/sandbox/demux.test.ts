import { PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AttachDemux } from './demux.ts'

function frame(stream: number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(bytes.length, 4)
  return Buffer.concat([header, bytes])
}

async function demux(chunks: readonly Buffer[]): Promise<{ stdout: Buffer; stderr: Buffer }> {
  const through = new AttachDemux()
  const got: Buffer[] = []
  await pipeline(Readable.from(chunks), through, async (stdout) => {
    for await (const chunk of stdout) got.push(Buffer.from(chunk))
  })
  return { stdout: Buffer.concat(got), stderr: through.stderrTail }
}

describe('AttachDemux', () => {
  test('passes standard output on and keeps standard error apart, however it is cut', async () => {
    const part = fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 50 }))
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 10 }),
        fc.integer({ min: 1, max: 20 }),
        async (parts, size) => {
          const whole = Buffer.concat(parts.map(([stream, bytes]) => frame(stream, bytes)))
          const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
            whole.subarray(at * size, (at + 1) * size),
          )
          const of = (stream: number) =>
            Buffer.concat(parts.flatMap(([one, bytes]) => (one === stream ? [bytes] : [])))
          const got = await demux(chunks)
          expect(got.stdout.equals(of(1))).toBe(true)
          expect(got.stderr.equals(of(2))).toBe(true)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('keeps only the last 4 KiB of standard error', async () => {
    const noise = Array.from({ length: 100 }, (_, at) => frame(2, Buffer.alloc(1000, at)))
    const { stderr } = await demux(noise)
    expect(stderr).toHaveLength(4096)
    expect(stderr.at(-1)).toBe(99)
  })

  test('refuses what is no attach stream', async () => {
    const wrong = [
      '0300000000000001',
      '0100000100000001',
      '01000000ffffffff',
      Buffer.from('HTTP/1.1').toString('hex'),
    ]
    for (const bytes of wrong)
      await expect(demux([Buffer.from(bytes, 'hex')])).rejects.toMatchObject({
        code: 'sandbox_protocol_error',
      })
  })

  test('holds the engine back while nobody reads', async () => {
    const source = new PassThrough()
    const through = source.pipe(new AttachDemux())
    const block = frame(1, Buffer.alloc(16 * 1024))
    let written = 0
    while (source.write(block)) written++
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    while (written < 10_000 && source.write(block)) written++
    expect(written * block.length).toBeLessThan(512 * 1024)
    await pipeline(
      through,
      new Writable({ write: (_chunk, _encoding, done) => (source.end(), done()) }),
    )
  })
})
