/**
 * One attach to a supervisor: hands frames to their channels, writes frames, notices when the
 * other side dies, goes silent or lies. After the first failure every channel gets the same error
 * and nothing more is read; killing the container is for the one who owns it.
 */
import type { Readable, Writable } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import { deferred, type Deferred } from './pipe-deferred.ts'
import { MarkerFinder } from './marker-finder.ts'
import { type Hello, readHello } from './protocol-messages.ts'
import { framePieces } from './protocol-encode.ts'
import {
  CHANNEL_MAX,
  CHANNELS_OPEN_MAX,
  type DoorFrame,
  FROM,
  type Frame,
  FrameDecoder,
  isDoorFrame,
  OUTPUT_WINDOW,
  type StreamId,
  TO,
  type ToType,
  violation,
} from './protocol.ts'

/** The two directions of the pipe; they may be one duplex. */
export interface PipeEnds {
  /** What the supervisor writes, and nothing else. */
  readable: Readable
  writable: Writable
}

export interface Channel<Of = Frame> {
  /** One frame of this channel; may throw `sandbox_protocol_error`. */
  receive(frame: Of): void
  /** The link is gone; no frame will follow. */
  fail(error: OpenExecError): void
}

/** All windows full, twice over for what the engine holds: more cannot be under way. */
const DROPPED_BYTES_MAX = 2 * CHANNELS_OPEN_MAX * 2 * OUTPUT_WINDOW
/** Silence of a supervisor that was asked to answer, after which it counts as lost. */
const SILENCE_MAX_MS = 30_000

export class Link {
  /** What the supervisor said of itself; rejects when the link ends before. */
  readonly hello: Promise<Hello>
  readonly ended: Promise<OpenExecError | undefined>
  #ends: PipeEnds
  /** Until the marker comes back, what arrives was meant for somebody else. */
  #finder: MarkerFinder | undefined
  #greeted: Deferred<Hello>
  #decoder = new FrameDecoder()
  #channels = new Map<number, Channel | 'released'>()
  /** Takes every frame about connections the supervisor opens. */
  #door: Channel<DoorFrame> | undefined
  /** No channel can be opened before the greeting says which ids are free. */
  #lastChannel = CHANNEL_MAX
  #greetedAlready = false
  #endExpected = false
  #over: { error: OpenExecError } | undefined
  #resolveEnded: (error: OpenExecError | undefined) => void
  #corked = false
  #pinger: NodeJS.Timeout
  #silence: NodeJS.Timeout | undefined

  constructor(ends: PipeEnds, options: { marker: Uint8Array; pingMs: number }) {
    this.#ends = ends
    this.#finder = new MarkerFinder(options.marker, { droppedBytesMax: DROPPED_BYTES_MAX })
    this.#greeted = deferred()
    this.hello = this.#greeted.promise
    const { promise, resolve } = deferred<OpenExecError | undefined>()
    this.ended = promise
    this.#resolveEnded = resolve
    this.#pinger = setInterval(() => this.#ping(), options.pingMs).unref()
    // Listeners for errors stay: one that comes after the end must not end the process.
    ends.readable.on('data', this.#onData).on('error', this.#onError)
    ends.readable.on('close', this.#onClose).on('end', this.#onClose)
    ends.writable.on('error', this.#onError).on('close', this.#onClose)
  }

  /** Takes the next free id. Throws when the link is over or too many channels are open. */
  open(channel: Channel): number {
    this.assertOpen()
    if (this.#channels.size >= CHANNELS_OPEN_MAX || this.#lastChannel >= CHANNEL_MAX) {
      throw new OpenExecError(
        'conflict',
        `Cannot open another channel to the sandbox: ${this.#channels.size} are open, at most ${CHANNELS_OPEN_MAX} may be`,
        { hint: 'Wait until one of the commands or file operations in this sandbox has ended' },
      )
    }
    const id = ++this.#lastChannel
    this.#channels.set(id, channel)
    return id
  }

  /** Takes over a channel that lives in the supervisor already. */
  adopt(id: number, channel: Channel): void {
    this.assertOpen()
    this.#channels.set(id, channel)
  }

  /** Where frames go that are about connections to the door; without it there must be none. */
  serveDoor(door: Channel<DoorFrame>): void {
    this.assertOpen()
    this.#door = door
  }

  assertOpen(): void {
    if (this.#over) throw this.#over.error
  }

  /** Writes at the end of this turn, together with whatever else is said in it. */
  send(
    type: ToType,
    channel: number,
    parts: readonly Uint8Array[] = [],
    stream: StreamId = 0,
  ): void {
    if (!this.#over) this.#write(framePieces(type, channel, parts, stream), undefined)
  }

  #write(pieces: readonly Uint8Array[], onWritten: (() => void) | undefined): void {
    const { writable } = this.#ends
    if (!this.#corked) {
      this.#corked = true
      writable.cork()
      process.nextTick(() => {
        this.#corked = false
        writable.uncork()
      })
    }
    const last = pieces.length - 1
    for (const [i, piece] of pieces.entries())
      if (i < last || onWritten === undefined) writable.write(piece)
      else writable.write(piece, onWritten)
  }

  /** Resolves once the engine has the bytes, or the pipe is over: then they may change again. */
  async sendBulk(type: ToType, channel: number, parts: readonly Uint8Array[]): Promise<void> {
    if (this.#over) return
    const { promise, resolve } = deferred<void>()
    this.#write(framePieces(type, channel, parts), () => resolve())
    await promise
  }

  /** Gives the channel back; what is still under way for it is dropped. */
  release(id: number): void {
    if (!this.#channels.has(id)) return
    this.#channels.set(id, 'released')
    this.send(TO.release, id)
  }

  /** Ends the link; every channel fails with `error`. Safe to call twice. */
  close(error: OpenExecError, told: OpenExecError | undefined): void {
    if (this.#over) return
    this.#over = { error }
    clearInterval(this.#pinger)
    clearTimeout(this.#silence)
    this.#ends.readable.off('data', this.#onData)
    this.#ends.readable.destroy()
    this.#ends.writable.destroy()
    for (const channel of this.#channels.values()) if (channel !== 'released') channel.fail(error)
    this.#channels.clear()
    this.#door?.fail(error)
    this.#greeted.reject(error)
    this.#resolveEnded(told)
  }

  fail(error: OpenExecError): void {
    this.close(error, this.#endExpected ? undefined : error)
  }

  /** Asks the supervisor to end; that it does is then no failure of the link. */
  shutdown(): void {
    this.#endExpected = true
    this.send(TO.shutdown, 0)
  }

  #receive(chunk: Buffer): void {
    try {
      const bytes = this.#finder === undefined ? chunk : this.#finder.push(chunk)
      if (bytes === undefined) return
      this.#finder = undefined
      for (const frame of this.#decoder.push(bytes)) {
        if (this.#over) return
        this.#dispatch(frame)
      }
    } catch (error) {
      this.fail(error instanceof OpenExecError ? error : internal(error))
    }
  }

  #dispatch(frame: Frame | DoorFrame): void {
    if (!this.#greetedAlready) {
      const hello = readHello(frame)
      this.#greetedAlready = true
      this.#lastChannel = hello.lastChannel
      this.#greeted.resolve(hello)
      return
    }
    if (frame.type === FROM.pong) {
      clearTimeout(this.#silence)
      this.#silence = undefined
      return
    }
    if (isDoorFrame(frame)) {
      if (this.#door === undefined) throw violation('a connection nobody asked for')
      this.#door.receive(frame)
      return
    }
    const channel = this.#channels.get(frame.channel)
    if (channel === undefined)
      throw violation(`frame for channel ${frame.channel}, which is not open`)
    if (frame.type === FROM.released) {
      if (channel !== 'released') throw violation(`channel ${frame.channel} ended unasked`)
      this.#channels.delete(frame.channel)
    } else if (channel !== 'released') {
      channel.receive(frame)
    }
  }

  #ping(): void {
    this.send(TO.ping, 0, [Buffer.alloc(8)])
    this.#silence ??= setTimeout(() => {
      this.fail(
        new OpenExecError(
          'sandbox_lost',
          `Cannot reach the sandbox: it has been silent for ${SILENCE_MAX_MS} ms`,
        ),
      )
    }, SILENCE_MAX_MS).unref()
  }

  #onData = (chunk: Buffer) => this.#receive(chunk)
  #onClose = () => this.fail(lost(undefined))
  #onError = (cause: Error) => this.fail(cause instanceof OpenExecError ? cause : lost(cause))
}

function lost(cause: Error | undefined): OpenExecError {
  return new OpenExecError('sandbox_lost', 'Cannot reach the sandbox: its pipe has ended', {
    cause,
  })
}

function internal(cause: unknown): OpenExecError {
  return new OpenExecError('internal', 'Cannot handle a frame of the sandbox', { cause })
}
