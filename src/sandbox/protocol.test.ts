import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MarkerFinder } from './marker-finder.ts'
import { encodeFrame } from './protocol-encode.ts'
import {
  CHANNEL_MAX,
  DATA_BYTES_MAX,
  FROM,
  FROM_DOOR,
  FrameDecoder,
  MARKER_BYTES,
  TO,
} from './protocol.ts'

interface Plain {
  type: number
  stream: number
  channel: number
  payload: Buffer
}

function wire({ type, stream, channel, payload }: Plain): Buffer {
  const header = Buffer.alloc(12)
  header[0] = type
  header[1] = stream
  header.writeUInt32BE(channel, 4)
  header.writeUInt32BE(payload.length, 8)
  return Buffer.concat([header, payload])
}

function data(channel: number, text: string): Plain {
  return {
    type: FROM.data,
    stream: 1,
    channel,
    payload: Buffer.concat([Buffer.alloc(8), Buffer.from(text)]),
  }
}

/** Copies, because a frame is valid only until the next is asked for. */
function decode(chunks: readonly Buffer[]): Plain[] {
  const decoder = new FrameDecoder()
  return chunks.flatMap((chunk) =>
    Array.from(decoder.push(chunk), (frame) => ({ ...frame, payload: Buffer.from(frame.payload) })),
  )
}

const channels = fc.integer({ min: 1, max: CHANNEL_MAX })
const bytes = (min: number, max: number) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array))
const frames: fc.Arbitrary<Plain> = fc.oneof(
  fc.record({
    type: fc.constant(FROM.data),
    stream: fc.constantFrom(1, 2),
    channel: channels,
    payload: bytes(9, 600),
  }),
  ...(
    [
      [FROM.started, 4],
      [FROM.inputCredit, 8],
      [FROM.exited, 56],
      [FROM.released, 0],
      [FROM.file, 32],
      [FROM.result, 12],
    ] as const
  ).map(([type, size]) =>
    fc.record({
      type: fc.constant(type),
      stream: fc.constant(0),
      channel: channels,
      payload: bytes(size, size),
    }),
  ),
  fc.record({
    type: fc.constant(FROM_DOOR.bytes),
    stream: fc.constant(0),
    channel: fc.integer({ min: CHANNEL_MAX + 1, max: 0xffff_ffff }),
    payload: bytes(9, 600),
  }),
  fc.record({
    type: fc.constant(FROM.pong),
    stream: fc.constant(0),
    channel: fc.constant(0),
    payload: bytes(8, 8),
  }),
)

describe('FrameDecoder', () => {
  test('push() gives the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(frames, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (sent, cuts) => {
          const whole = Buffer.concat(sent.map(wire))
          const chunks: Buffer[] = []
          for (let at = 0; at < whole.length;) {
            const size = cuts.next().value ?? 1
            chunks.push(whole.subarray(at, at + size))
            at += size
          }
          expect(decode(chunks)).toEqual(sent)
        },
      ),
    )
  })

  test('push() takes frames split at every single byte', () => {
    const sent = [
      data(1, 'hello'),
      { type: FROM.released, stream: 0, channel: 1, payload: Buffer.alloc(0) },
      data(2, 'x'),
    ]
    const whole = Buffer.concat(sent.map(wire))
    for (let cut = 0; cut <= whole.length; cut++)
      expect(decode([whole.subarray(0, cut), whole.subarray(cut)])).toEqual(sent)
  })

  test('push() either gives frames or refuses, whatever the bytes are', () => {
    fc.assert(
      fc.property(bytes(0, 400), (noise) => {
        try {
          for (const frame of decode([noise]))
            expect(frame.payload.length).toBeLessThanOrEqual(8 + DATA_BYTES_MAX)
        } catch (error) {
          expect(error).toMatchObject({ code: 'sandbox_protocol_error' })
        }
      }),
    )
  })

  test('push() refuses a frame by its header, before any of its payload', () => {
    const wrong: [Plain, number?][] = [
      [{ ...data(1, 'x'), type: 0x7f }],
      [{ ...data(1, 'x'), type: TO.exec }],
      [{ ...data(1, 'x'), type: 0x40 }],
      [{ ...data(1, 'x'), stream: 0 }],
      [{ ...data(1, 'x'), stream: 3 }],
      [{ ...data(0, 'x') }],
      [{ ...data(1, 'x'), channel: 0x8000_0000 }],
      [{ ...data(1, 'x'), type: FROM_DOOR.bytes, stream: 0 }],
      [{ ...data(0x8000_0000, 'x'), type: FROM_DOOR.bytes }],
      [{ type: FROM_DOOR.listening, stream: 0, channel: 0x8000_0000, payload: Buffer.alloc(2) }],
      [{ ...data(1, '') }],
      [{ type: FROM.pong, stream: 0, channel: 7, payload: Buffer.alloc(8) }],
      [{ type: FROM.released, stream: 1, channel: 7, payload: Buffer.alloc(0) }],
      [{ type: FROM.released, stream: 0, channel: 7, payload: Buffer.alloc(1) }],
      [{ type: FROM.exited, stream: 0, channel: 7, payload: Buffer.alloc(55) }],
    ]
    for (const [frame] of wrong)
      expect(() => decode([wire(frame).subarray(0, 12)])).toThrow(/Cannot trust the sandbox/)
    for (const length of [8 + DATA_BYTES_MAX + 1, 0x7fff_ffff, 0xffff_ffff]) {
      const header = wire(data(1, 'x')).subarray(0, 12)
      header.writeUInt32BE(length, 8)
      expect(() => decode([header])).toThrow(/bytes/)
    }
    const reserved = wire(data(1, 'x'))
    reserved[3] = 1
    expect(() => decode([reserved])).toThrow(/reserved/)
  })

  test('push() holds no more than the frame that is not complete', () => {
    const decoder = new FrameDecoder()
    const frame = wire({ ...data(1, ''), payload: Buffer.alloc(8 + DATA_BYTES_MAX) })
    let seen = 0
    for (let turn = 0; turn < 200; turn++)
      for (let at = 0; at < frame.length; at += 1000)
        for (const one of decoder.push(frame.subarray(at, at + 1000))) seen += one.payload.length
    expect(seen).toBe(200 * (8 + DATA_BYTES_MAX))
  })
})

test('encodeFrame() writes header, parts and the byte that ends every frame', () => {
  const frame = encodeFrame(TO.credit, 0x01020304, [Buffer.from('ab'), Buffer.from('c')], 2)
  expect(frame.toString('hex')).toBe('16020000' + '01020304' + '00000003' + '616263' + '0a')
})

describe('MarkerFinder', () => {
  const limits = { droppedBytesMax: 1000 }
  const marker = Buffer.from(Array.from({ length: MARKER_BYTES }, (_, at) => at * 3))

  test('push() finds the marker wherever it is cut and gives what follows', () => {
    const whole = Buffer.concat([
      Buffer.from('rubbish'),
      marker.subarray(0, 5),
      marker,
      Buffer.from('rest'),
    ])
    for (let cut = 0; cut <= whole.length; cut++) {
      const finder = new MarkerFinder(marker, limits)
      const [first, second] = [whole.subarray(0, cut), whole.subarray(cut)]
      const early = finder.push(first)
      const found = early === undefined ? finder.push(second) : Buffer.concat([early, second])
      expect(found?.toString()).toBe('rest')
    }
  })

  test('push() finds the marker in any noise', () => {
    fc.assert(
      fc.property(
        bytes(0, 300),
        bytes(0, 300),
        fc.integer({ min: 1, max: 40 }),
        (before, rest, size) => {
          const finder = new MarkerFinder(marker, limits)
          const whole = Buffer.concat([before, marker, rest])
          const found: Buffer[] = []
          for (let at = 0; at < whole.length; at += size) {
            const chunk = whole.subarray(at, at + size)
            const after = found.length > 0 ? chunk : finder.push(chunk)
            if (after !== undefined) found.push(after)
          }
          expect(Buffer.concat(found).equals(rest)).toBe(true)
        },
      ),
    )
  })

  test('push() gives up after the agreed number of bytes', () => {
    const finder = new MarkerFinder(marker, limits)
    finder.push(Buffer.alloc(900))
    expect(() => finder.push(Buffer.alloc(200))).toThrow(/no answer to the attach/)
  })

  test('a marker has 32 bytes', () => {
    expect(() => new MarkerFinder(Buffer.alloc(8), limits)).toThrow(RangeError)
  })
})
