/**
 * Reads what a host says into buffers that are used again, for tunnels: with a fresh buffer for each
 * read the garbage collector costs more than everything else a large body costs. A connection that
 * is idle holds one small buffer; reads that fill it earn it large ones.
 */
import type { OnReadOpts, Socket } from 'node:net'
import type { Writable } from 'node:stream'

const SMALL_BYTES = 16 * 1024
const LARGE_BYTES = 64 * 1024
/** Kept of each size for the next read of any connection. */
const SPARE_MAX = 32
const spare: Record<number, Buffer[]> = { [SMALL_BYTES]: [], [LARGE_BYTES]: [] }

export class BulkReader {
  #isAttached = false
  #next = bufferOf(SMALL_BYTES)
  #target: { to: Writable; count(bytes: number): void } | undefined
  /** What came before anybody wanted it; nothing more is read meanwhile. */
  #early: Buffer | undefined

  /** For the one who connects; a socket it is not given to stays an ordinary stream. */
  attach(): OnReadOpts {
    this.#isAttached = true
    return { buffer: () => this.#next, callback: (length) => this.#take(length) }
  }

  /** Gives all that comes, and its end, to `to`. False where the socket is an ordinary stream. */
  pass(socket: Socket, to: Writable, count: (bytes: number) => void): boolean {
    if (!this.#isAttached) return false
    this.#target = { to, count }
    to.on('drain', () => socket.resume())
    socket.once('end', () => to.end())
    const early = this.#early
    if (early === undefined || this.#give(early, undefined)) socket.resume()
    return true
  }

  /** False stops reading until the socket is resumed. */
  #take(length: number): boolean {
    const bytes = this.#next
    const isLarge = length === bytes.length || length > SMALL_BYTES
    this.#next = bufferOf(isLarge ? LARGE_BYTES : SMALL_BYTES)
    const chunk = bytes.subarray(0, length)
    if (this.#target !== undefined) return this.#give(chunk, bytes)
    this.#early = chunk
    return false
  }

  #give(chunk: Buffer, whole: Buffer | undefined): boolean {
    if (this.#target === undefined) return false
    const { to, count } = this.#target
    count(chunk.length)
    if (to.destroyed || to.writableEnded) return false
    return to.write(chunk, () => {
      const others = whole === undefined ? undefined : spare[whole.length]
      if (whole !== undefined && others !== undefined && others.length < SPARE_MAX)
        others.push(whole)
    })
  }
}

function bufferOf(bytes: number): Buffer {
  return spare[bytes]?.pop() ?? Buffer.allocUnsafeSlow(bytes)
}
