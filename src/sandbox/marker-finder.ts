/** How an attach knows that it is heard: what stands before its own marker is not meant for it. */
import { MARKER_BYTES, violation } from './protocol.ts'

/** Finds the echo of an attach's marker; everything before it belongs to nobody and is dropped. */
export class MarkerFinder {
  #marker: Buffer
  #tail = Buffer.alloc(0)
  #dropped = 0
  #droppedMax: number

  constructor(marker: Uint8Array, limits: { droppedBytesMax: number }) {
    if (marker.length !== MARKER_BYTES) throw new RangeError(`A marker has ${MARKER_BYTES} bytes`)
    this.#marker = Buffer.from(marker)
    this.#droppedMax = limits.droppedBytesMax
  }

  /** What follows the marker, once it has been seen. */
  push(chunk: Buffer): Buffer | undefined {
    const seen = Buffer.concat([this.#tail, chunk])
    const at = seen.indexOf(this.#marker)
    if (at !== -1) return seen.subarray(at + MARKER_BYTES)
    this.#tail = Buffer.from(seen.subarray(Math.max(0, seen.length - MARKER_BYTES + 1)))
    this.#dropped += seen.length - this.#tail.length
    if (this.#dropped > this.#droppedMax)
      throw violation(`no answer to the attach within ${this.#droppedMax} bytes`)
    return undefined
  }
}
