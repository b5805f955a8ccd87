/**
 * Takes apart the stream an engine's attach gives for a container without a terminal: frames of an
 * 8-byte header (stream, three zeros, big-endian length) and bytes. Only standard output is the
 * pipe and goes on, with back-pressure up to the engine; of standard error the last bytes are kept
 * as diagnostics, because a supervisor has nothing else to say there.
 */
import { Transform, type TransformCallback } from 'node:stream'
import { violation } from './protocol.ts'

const HEADER_BYTES = 8
const STDERR_TAIL_BYTES = 4 * 1024
/** No engine cuts its reads larger; a bigger length is noise from a stream that is no attach. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024

/** Emits the bytes of standard output. Ends in `sandbox_protocol_error` on anything it cannot be. */
export class AttachDemux extends Transform {
  #header = Buffer.alloc(HEADER_BYTES)
  #headerFilled = 0
  #left = 0
  #toStderr = false
  #stderrTail = Buffer.alloc(0)

  /** The last 4 KiB the container wrote to standard error. */
  get stderrTail(): Buffer {
    return this.#stderrTail
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    let at = 0
    try {
      while (at < chunk.length) {
        if (this.#left === 0) at = this.#takeHeader(chunk, at)
        const bytes = chunk.subarray(at, at + this.#left)
        at += bytes.length
        this.#left -= bytes.length
        if (bytes.length > 0) this.#deliver(bytes)
      }
      done()
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const copied = chunk.copy(
      this.#header,
      this.#headerFilled,
      at,
      at + HEADER_BYTES - this.#headerFilled,
    )
    this.#headerFilled += copied
    if (this.#headerFilled < HEADER_BYTES) return at + copied
    this.#headerFilled = 0
    const [stream = 0, a, b, c] = this.#header
    this.#left = this.#header.readUInt32BE(4)
    if (stream > 2 || a !== 0 || b !== 0 || c !== 0 || this.#left > FRAME_BYTES_MAX)
      throw violation('the attach stream is not in the form the engine promises')
    this.#toStderr = stream === 2
    return at + copied
  }

  #deliver(bytes: Buffer): void {
    if (!this.#toStderr) this.push(bytes)
    else
      this.#stderrTail = Buffer.from(
        Buffer.concat([this.#stderrTail, bytes]).subarray(-STDERR_TAIL_BYTES),
      )
  }
}
