import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeExecFrames, encodeExecFrame, ExecStart, readExecJson } from './exec-frames.ts'

async function* chunks(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function decode(bytes: Buffer, size: number) {
  const frames: { type: number; text: string }[] = []
  for await (const { type, payload } of decodeExecFrames(chunks(bytes, size)))
    frames.push({ type, text: payload.toString('latin1') })
  return frames
}

test('decodeExecFrames() gives the same frames however the bytes are cut', async () => {
  const sent = fc.array(fc.record({ type: fc.integer({ min: 0, max: 255 }), text: fc.string() }))
  await fc.assert(
    fc.asyncProperty(sent, fc.integer({ min: 1, max: 40 }), async (frames, size) => {
      const latin = frames.map(({ type, text }) => ({
        type,
        text: Buffer.from(text).toString('latin1'),
      }))
      const wire = frames.map(({ type, text }) => encodeExecFrame(type, Buffer.from(text)))
      expect(await decode(Buffer.concat(wire), size)).toEqual(latin)
    }),
  )
})

test('decodeExecFrames() refuses a frame that is too long or cut off', async () => {
  const long = Buffer.from([1, 0xff, 0xff, 0xff, 0xff])
  await expect(decode(long, 5)).rejects.toMatchObject({ code: 'bad_request' })
  const whole = Buffer.from(encodeExecFrame(1, Buffer.from('abc')))
  for (let length = 1; length < whole.length; length++)
    await expect(decode(whole.subarray(0, length), 3)).rejects.toMatchObject({
      code: 'bad_request',
    })
})

test('readExecJson() refuses what is no JSON and what does not fit', () => {
  expect(readExecJson(ExecStart, Buffer.from('{"argv":["ls"]}'))).toMatchObject({
    cwd: '/workspace',
    stdin: false,
  })
  for (const text of ['', '{', '[]', '{"argv":[]}', '{"argv":["a"],"user":"root"}'])
    expect(() => readExecJson(ExecStart, Buffer.from(text))).toThrow(/Cannot read the stream/)
})
