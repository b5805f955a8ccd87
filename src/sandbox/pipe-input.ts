/**
 * One stream of bytes into the sandbox: sent as far as the supervisor has given credit, so that
 * what waits for a process that does not read waits with the one who writes.
 */
import { OpenExecError } from '../schema/index.ts'
import { deferred } from './pipe-deferred.ts'
import type { Link } from './pipe-link.ts'
import { readU64, u64 } from './protocol-messages.ts'
import { DATA_BYTES_MAX, type DoorFrame, type Frame, type ToType, violation } from './protocol.ts'

/** The frames that carry a stream and its end. */
export interface InputFrames {
  bytes: ToType
  end: ToType
}

export class InputStream {
  #link: Link
  #channel: number
  #frames: InputFrames
  #window: () => number
  #sent: number
  #credited: number
  #ended = false
  #closed = false
  #wake: (() => void) | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(
    link: Link,
    options: { channel: number; offset: number; window(): number; frames: InputFrames },
  ) {
    this.#link = link
    this.#channel = options.channel
    this.#frames = options.frames
    this.#window = options.window
    this.#sent = options.offset
    this.#credited = options.offset
  }

  /** Resolves when the last byte is on its way; until then the bytes must not change. Writes are sent in the order they were asked for. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) return Promise.reject(afterEnd())
    this.#last = this.#last.then(() => this.#write(bytes))
    return this.#last
  }

  /** No byte follows; the process reads the end of its input. */
  end(): Promise<void> {
    if (this.#ended) return this.#last
    this.#ended = true
    this.#last = this.#last.then(() => {
      if (!this.#closed) this.#link.send(this.#frames.end, this.#channel, [u64(this.#sent)])
    })
    return this.#last
  }

  /** Nobody reads any more: what waits to be written is dropped. */
  close(): void {
    this.#closed = true
    this.#wake?.()
  }

  receiveCredit({ payload }: Frame | DoorFrame): void {
    const offset = readU64(payload, 0)
    if (offset < this.#credited || offset > this.#sent)
      throw violation(`credit for input byte ${offset} of ${this.#sent}`)
    this.#credited = offset
    this.#wake?.()
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#closed;) {
      const open = this.#window() - (this.#sent - this.#credited)
      if (open <= 0) {
        const { promise, resolve } = deferred<void>()
        this.#wake = resolve
        await promise
        continue
      }
      const part = bytes.subarray(at, at + Math.min(open, DATA_BYTES_MAX))
      const sent = this.#link.sendBulk(this.#frames.bytes, this.#channel, [u64(this.#sent), part])
      this.#sent += part.length
      at += part.length
      await sent
    }
  }
}

function afterEnd(): OpenExecError {
  return new OpenExecError('conflict', 'Cannot write to the input of a command after its end')
}
