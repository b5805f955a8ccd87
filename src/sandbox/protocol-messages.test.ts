import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readEntries, readSections } from './pipe-listing.ts'
import { execPayload, readExited, readHello, readU64, u64 } from './protocol-messages.ts'
import { FROM, type Frame } from './protocol.ts'

function hello(change: (payload: Buffer) => void, count = 0): Frame {
  const payload = Buffer.alloc(32 + 48 * count)
  payload.writeUInt16BE(1, 0)
  payload.writeUInt32BE(512 * 1024, 12)
  payload.writeUInt32BE(256 * 1024, 16)
  payload.writeUInt32BE(64, 20)
  payload.writeUInt32BE(count, 28)
  change(payload)
  return { type: FROM.hello, stream: 0, channel: 0, payload }
}

test('readHello() reads the channels that outlived an orchestrator', () => {
  const frame = hello((payload) => {
    payload.writeUInt16BE(1, 2)
    payload.writeUInt32BE(1, 4)
    payload.writeUInt32BE(77, 8)
    payload.writeUInt32BE(5, 32)
    payload.writeUInt32BE(2, 36)
    u64(9, 10, 20, 30, 40).copy(payload, 40)
  }, 1)
  expect(readHello(frame)).toEqual({
    first: true,
    hasDoor: false,
    hasManyConnections: false,
    pid: 1,
    lastChannel: 77,
    live: [
      {
        channel: 5,
        state: 'exited',
        inputBytes: 9,
        stdout: { from: 10, to: 20 },
        stderr: { from: 30, to: 40 },
      },
    ],
  })
})

test('readHello() refuses another version, other windows and a list that lies', () => {
  const wrong: [Frame, RegExp][] = [
    [hello((payload) => payload.writeUInt16BE(2, 0)), /version 2 of the protocol, expected 1/],
    [hello((payload) => payload.writeUInt32BE(0x7fff_ffff, 12)), /windows/],
    [hello((payload) => payload.writeUInt32BE(65, 20)), /windows/],
    [hello((payload) => payload.writeUInt32BE(3, 28)), /length/],
    [hello((payload) => payload.writeUInt32BE(4, 36), 1), /unknown state/],
    [hello((payload) => payload.fill(0xff, 40, 48), 1), /out of range/],
    [{ ...hello(() => {}), type: FROM.pong }, /instead of the greeting/],
  ]
  for (const [frame, message] of wrong) expect(() => readHello(frame)).toThrow(message)
})

test('readExited() tells every way a command ends', () => {
  const payload = Buffer.alloc(56)
  payload[0] = 1 | 4 | 16
  payload[1] = 9
  u64(1, 2, 3, 4, 5, 6).copy(payload, 8)
  expect(readExited(payload)).toEqual({
    exitCode: 0,
    signal: 9,
    timedOut: true,
    outputLimited: false,
    killed: true,
    lost: false,
    outOfMemory: true,
    durationUs: 1,
    userUs: 2,
    systemUs: 3,
    residentBytesMax: 4,
    stdoutBytes: 5,
    stderrBytes: 6,
  })
})

test('execPayload() ends every string in one NUL', () => {
  const [fixed, strings] = execPayload({
    argv: ['ls', ''],
    env: { A: '1' },
    cwd: '/w',
    stdin: true,
    terminal: { rows: 2, columns: 3 },
    keepDescendants: true,
    timeoutMs: 1.5,
    outputBytesMax: 2 ** 40,
  })
  expect(fixed?.toString('hex')).toBe(
    '00000007000000020000010000000000' + '00020003' + '00000002' + '00000001',
  )
  expect(strings?.toString()).toBe('/w\0ls\0\0A=1\0')
})

test('readU64() refuses what a number cannot hold exactly', () => {
  expect(readU64(u64(Number.MAX_SAFE_INTEGER), 0)).toBe(Number.MAX_SAFE_INTEGER)
  expect(() => readU64(Buffer.alloc(8, 0xff), 0)).toThrow(/out of range/)
})

function entry(name: Uint8Array, over: { length?: number; type?: string } = {}): Buffer {
  const fixed = Buffer.alloc(24)
  fixed.write(over.type ?? 'f', 'latin1')
  fixed.writeUInt16BE(over.length ?? name.length, 2)
  return Buffer.concat([fixed, name])
}

test('readEntries() sorts by bytes and refuses names that lead elsewhere', () => {
  const names = ['b', 'a', 'B'].map((name) => entry(Buffer.from(name)))
  expect(readEntries(Buffer.concat(names)).map(({ name }) => Buffer.from(name).toString())).toEqual(
    ['B', 'a', 'b'],
  )
  for (const name of ['', '.', '..', 'a/b', 'a\0b', '/'])
    expect(() => readEntries(entry(Buffer.from(name)))).toThrow(/wrong name/)
  expect(() => readEntries(entry(Buffer.from('a'), { length: 9 }))).toThrow(/wrong name/)
  expect(() => readEntries(entry(Buffer.from('a')).subarray(0, 20))).toThrow(/cut off/)
  expect(readEntries(entry(Buffer.from('s'), { type: 's' }))).toMatchObject([{ type: 'other' }])
})

test('readEntries() and readSections() take any bytes or refuse them as a violation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      for (const read of [readEntries, readSections]) {
        try {
          read(Buffer.from(noise))
        } catch (error) {
          expect(error).toMatchObject({ code: 'sandbox_protocol_error' })
        }
      }
    }),
  )
})

test('readSections() leaves out what the probe did not find', () => {
  const section = (path: string, status: number, text: string) => {
    const fixed = Buffer.alloc(8)
    fixed.writeUInt16BE(path.length, 0)
    fixed.writeUInt16BE(status, 2)
    fixed.writeUInt32BE(text.length, 4)
    return Buffer.concat([fixed, Buffer.from(path), Buffer.from(text)])
  }
  const bytes = Buffer.concat([
    section('/a', 0, 'text'),
    section('/b', 1, ''),
    section('/c', 0, ''),
  ])
  expect([...readSections(bytes)]).toEqual([
    ['/a', 'text'],
    ['/c', ''],
  ])
  expect(() => readSections(bytes.subarray(0, 12))).toThrow(/cut off/)
})
