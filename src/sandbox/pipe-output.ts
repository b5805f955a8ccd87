/**
 * One stream of bytes out of the sandbox. Its consumer is awaited for every chunk, and only what
 * it has taken is acknowledged: the supervisor sends at most a window beyond that, so a slow
 * consumer stops the writing process and holds at most the window here.
 */
import { deferred } from './pipe-deferred.ts'
import type { Link } from './pipe-link.ts'
import { readU64 } from './protocol-messages.ts'
import { DATA_BYTES_MAX, type Frame, OUTPUT_WINDOW, TO, violation } from './protocol.ts'

/** What a consumer gives back: how many of the last bytes it would lose if it were killed now. */
export type Taken = void | number | Promise<void | number>
export type Consume = (chunk: Uint8Array, offset: number) => Taken

/** Acknowledged in steps of this many bytes, so that acknowledging costs next to nothing. */
const ACKNOWLEDGE_BYTES = OUTPUT_WINDOW / 4
/** Chunks below it are copied together, so that many tiny ones do not pin large buffers. */
const SMALL_BYTES = 8 * 1024

export class OutputStream {
  #link: Link
  #channel: number
  #id: 1 | 2
  #consume: Consume
  #onError: (error: unknown) => void
  #received: number
  #consumed: number
  #acknowledged: number
  /** Taken, and kept by the supervisor all the same. */
  #unsafe = 0
  #waiting: Buffer[] = []
  #slab: { bytes: Buffer; used: number } | undefined
  #busy = false
  #discarding = false
  #idle: (() => void) | undefined

  constructor(
    link: Link,
    options: {
      channel: number
      id: 1 | 2
      /** Where the stream goes on. */
      offset: number
      consume: Consume
      onError(error: unknown): void
    },
  ) {
    this.#link = link
    this.#channel = options.channel
    this.#id = options.id
    this.#consume = options.consume
    this.#onError = options.onError
    this.#received = options.offset
    this.#consumed = options.offset
    this.#acknowledged = options.offset
  }

  get receivedBytes(): number {
    return this.#received
  }

  receive({ payload }: Frame): void {
    const offset = readU64(payload, 0)
    const chunk = payload.subarray(8)
    if (offset !== this.#received)
      throw violation(`output goes on at byte ${offset}, expected ${this.#received}`)
    if (offset + chunk.length - this.#acknowledged > OUTPUT_WINDOW)
      throw violation('more output than was asked for')
    this.#received += chunk.length
    if (this.#discarding) this.#takeAll()
    else if (this.#busy) this.#keep(chunk)
    else void this.#drain(chunk)
  }

  /** Whatever comes or waits is thrown away, as if it had been taken, even by a stuck consumer. */
  discard(): void {
    this.#discarding = true
    this.#takeAll()
    this.#idle?.()
  }

  /** Resolves when all that was received has been taken. */
  async drained(): Promise<void> {
    if (!this.#busy || this.#discarding) return
    const { promise, resolve } = deferred<void>()
    this.#idle = resolve
    await promise
  }

  async #drain(first: Buffer): Promise<void> {
    this.#busy = true
    for (let chunk: Buffer | undefined = first; chunk !== undefined; chunk = this.#next()) {
      try {
        const taken = this.#consume(chunk, this.#consumed)
        // Awaiting nothing would still cost a turn for every chunk.
        this.#unsafe = (typeof taken === 'object' ? await taken : taken) ?? 0
      } catch (error) {
        this.#onError(error)
      }
      if (this.#discarding) return
      this.#consumed += chunk.length
      this.#acknowledge()
    }
    this.#busy = false
    this.#idle?.()
  }

  #next(): Buffer | undefined {
    const next = this.#waiting.shift()
    if (next === undefined || next.buffer === this.#slab?.bytes.buffer) this.#slab = undefined
    return next
  }

  /** Joins a small chunk to the one before it where both lie in the same slab. */
  #keep(chunk: Buffer): void {
    if (chunk.length >= SMALL_BYTES) {
      this.#slab = undefined
      this.#waiting.push(chunk)
      return
    }
    const slab = this.#slab
    if (slab === undefined || slab.used + chunk.length > slab.bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(DATA_BYTES_MAX)
      chunk.copy(bytes)
      this.#slab = { bytes, used: chunk.length }
      this.#waiting.push(bytes.subarray(0, chunk.length))
      return
    }
    chunk.copy(slab.bytes, slab.used)
    slab.used += chunk.length
    this.#waiting[this.#waiting.length - 1] = slab.bytes.subarray(0, slab.used)
  }

  #takeAll(): void {
    this.#consumed = this.#received
    this.#waiting = []
    this.#slab = undefined
    this.#unsafe = 0
    this.#acknowledge()
  }

  #acknowledge(): void {
    const safe = this.#consumed - this.#unsafe
    if (safe - this.#acknowledged < ACKNOWLEDGE_BYTES) return
    this.#acknowledged = safe
    const offset = Buffer.alloc(8)
    offset.writeBigUInt64BE(BigInt(safe))
    this.#link.send(TO.credit, this.#channel, [offset], this.#id)
  }
}
