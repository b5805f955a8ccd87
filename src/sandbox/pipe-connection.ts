/**
 * One connection somebody inside has made to the door, as a duplex stream. Both directions have
 * their own end and their own window: at most a window of bytes waits here for a reader, and a
 * write is done when its bytes are on their way. Destroyed before both ends, the client sees a
 * reset.
 */
import { Duplex } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import { InputStream } from './pipe-input.ts'
import type { Channel, Link } from './pipe-link.ts'
import { readU64, u64 } from './protocol-messages.ts'
import { DOOR_HELD_MAX, DOOR_WINDOW, type DoorFrame, FROM_DOOR, TO, violation } from './protocol.ts'

/** Acknowledged in steps of this many bytes. */
const ACKNOWLEDGE_BYTES = DOOR_WINDOW / 4
/** Smaller chunks are copied, so that they do not pin the large buffer they came in. */
const SMALL_BYTES = 8 * 1024
const FRAMES = { bytes: TO.doorBytes, end: TO.doorEnd } as const

interface ConnectionOptions {
  id: number
  onOver(): void
  /** Bytes to the client that may be on their way, as things are now. */
  window(): number
  /** Whether what waits here, of all connections, is within its bound. */
  mayHold(): boolean
}

export class DoorConnection extends Duplex implements Channel<DoorFrame> {
  #link: Link
  #id: number
  #onOver: () => void
  #mayHold: () => boolean
  #input: InputStream
  #received = 0
  #acknowledged = 0
  #hasEnded = false
  #saidEnd = false
  #saidClose = false
  #heardClose = false

  /** `onOver` is called once, when both sides have said their last word. */
  constructor(link: Link, options: ConnectionOptions) {
    super({ allowHalfOpen: true, highWaterMark: ACKNOWLEDGE_BYTES })
    this.#link = link
    this.#id = options.id
    this.#onOver = options.onOver
    this.#mayHold = options.mayHold
    this.#input = new InputStream(link, {
      channel: options.id,
      offset: 0,
      window: options.window,
      frames: FRAMES,
    })
    // Who handles the connection may have let go of it; a reset must not end the process then.
    this.on('error', () => {})
  }

  receive(frame: DoorFrame): void {
    if (this.#heardClose) throw violation('a frame after the end of a connection')
    switch (frame.type) {
      case FROM_DOOR.bytes:
        return this.#take(frame.payload)
      case FROM_DOOR.credit:
        return this.#input.receiveCredit(frame)
      case FROM_DOOR.ended:
        return this.#takeEnd(frame.payload)
      case FROM_DOOR.closed:
        return this.#takeClose(frame.payload)
      case FROM_DOOR.listening:
      case FROM_DOOR.opened:
        throw violation(`frame of type ${frame.type} on a connection`)
    }
  }

  fail(error: OpenExecError): void {
    this.#saidClose = true
    this.destroy(error)
  }

  override _read(): void {
    this.#acknowledge()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#input.write(chunk).then(() => done(), done)
  }

  override _final(done: (error?: Error) => void): void {
    this.#saidEnd = true
    this.#input.end().then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#input.close()
    this.#close()
    done(error)
  }

  #take(payload: Buffer): void {
    const offset = readU64(payload, 0)
    const chunk = payload.subarray(8)
    if (this.#hasEnded || offset !== this.#received)
      throw violation(`a connection goes on at byte ${offset}, expected ${this.#received}`)
    if (offset + chunk.length - this.#acknowledged > DOOR_WINDOW)
      throw violation('more bytes of a connection than were asked for')
    this.#received += chunk.length
    this.push(chunk.length < SMALL_BYTES ? Buffer.from(chunk) : chunk)
    if (this.readableLength > 0 && !this.#mayHold()) this.destroy(heldError())
  }

  #takeEnd(payload: Buffer): void {
    const total = readU64(payload, 0)
    if (this.#hasEnded || total !== this.#received)
      throw violation(`a connection ends at byte ${total}, expected ${this.#received}`)
    this.#hasEnded = true
    this.push(null)
  }

  #takeClose(payload: Buffer): void {
    const isReset = payload.readUInt32BE(0) !== 0
    if (!isReset && !this.#saidClose && !(this.#hasEnded && this.#saidEnd))
      throw violation('a connection is over before its ends')
    this.#heardClose = true
    if (isReset && !this.destroyed) this.destroy(resetError())
    this.#close()
    this.#onOver()
  }

  #close(): void {
    if (this.#saidClose) return
    this.#saidClose = true
    this.#link.send(TO.doorClose, this.#id)
  }

  /** What has left the buffer was taken by the reader. */
  #acknowledge(): void {
    const taken = this.#received - this.readableLength
    if (this.#saidClose || taken - this.#acknowledged < ACKNOWLEDGE_BYTES) return
    this.#acknowledged = taken
    this.#link.send(TO.doorCredit, this.#id, [u64(taken)])
  }
}

function heldError(): OpenExecError {
  return new OpenExecError(
    'sandbox_failed',
    `Cannot go on with a connection: more than ${DOOR_HELD_MAX} bytes of the sandbox wait for hosts that do not take them`,
  )
}

function resetError(): OpenExecError {
  return new OpenExecError(
    'sandbox_failed',
    'Cannot go on with a connection: it was reset inside',
    {
      details: { errno: 'ECONNRESET' },
    },
  )
}
