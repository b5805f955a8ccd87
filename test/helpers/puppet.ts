/** The supervisor's end of a pipe, played by a test: it may say anything at all. */
import { Duplex, type Writable } from 'node:stream'
import { expect } from 'vitest'
import { openPipe, type Pipe } from '../../src/sandbox/pipe.ts'
import { u64 } from '../../src/sandbox/protocol-messages.ts'
import { FROM, OUTPUT_WINDOW } from '../../src/sandbox/protocol.ts'

const KEY = '0a'.repeat(32)
export const MARKER = Buffer.alloc(32, 'm')
interface Said {
  type: number
  stream: number
  channel: number
  payload: Buffer
}

export class Puppet {
  readonly said: Said[] = []
  #bytes = Buffer.alloc(0)
  readonly duplex: Duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#parse()
      done()
    },
  })
  #keySeen = false

  say(type: number, channel: number, payload: Uint8Array = Buffer.alloc(0), stream = 0): void {
    const header = Buffer.alloc(12)
    header[0] = type
    header[1] = stream
    header.writeUInt32BE(channel, 4)
    header.writeUInt32BE(payload.length, 8)
    this.duplex.push(Buffer.concat([header, payload]))
  }

  data(channel: number, offset: number, bytes: Uint8Array, stream = 1): void {
    this.say(FROM.data, channel, Buffer.concat([u64(offset), bytes]), stream)
  }

  greet(): void {
    const payload = Buffer.alloc(32)
    payload.writeUInt16BE(1, 0)
    for (const [at, value] of [
      [12, OUTPUT_WINDOW],
      [16, 256 * 1024],
      [20, 64],
      [24, 1],
    ] as const)
      payload.writeUInt32BE(value, at)
    this.duplex.push(Buffer.concat([Buffer.from('left over from somebody else'), MARKER]))
    this.say(FROM.hello, 0, payload)
  }

  exited(channel: number, stdoutBytes: number, stderrBytes = 0): void {
    this.say(
      FROM.exited,
      channel,
      Buffer.concat([Buffer.alloc(8), u64(0, 0, 0, 0, stdoutBytes, stderrBytes)]),
    )
  }

  #parse(): void {
    if (!this.#keySeen && this.#bytes.length >= 64) {
      expect(this.#bytes.toString('latin1', 0, 64)).toBe(KEY)
      this.#bytes = this.#bytes.subarray(64)
      this.#keySeen = true
    }
    while (this.#keySeen && this.#bytes.length >= 12) {
      const end = 12 + this.#bytes.readUInt32BE(8)
      if (this.#bytes.length < end + 1) return
      this.said.push({
        type: this.#bytes[0] ?? 0,
        stream: this.#bytes[1] ?? 0,
        channel: this.#bytes.readUInt32BE(4),
        payload: this.#bytes.subarray(12, end),
      })
      this.#bytes = this.#bytes.subarray(end + 1)
    }
  }
}

export async function attach(
  puppet: Puppet,
  over: { openTimeoutMs?: number; signal?: AbortSignal; writable?: Writable } = {},
): Promise<Pipe> {
  return await openPipe(
    { readable: puppet.duplex, writable: over.writable ?? puppet.duplex },
    {
      key: KEY,
      marker: MARKER,
      orphanTimeoutMs: 0,
      openTimeoutMs: 5_000,
      signal: new AbortController().signal,
      now: () => 0,
      ...over,
    },
  )
}

export async function greeted(): Promise<{ puppet: Puppet; pipe: Pipe }> {
  const puppet = new Puppet()
  puppet.greet()
  return { puppet, pipe: await attach(puppet) }
}
