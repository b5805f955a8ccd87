/**
 * The frames of the pipe into a sandbox, as `docs/protocol.md` describes them. Pure: it turns
 * bytes into frames and frames into bytes, and knows no stream, channel or command.
 *
 * What comes out of a sandbox is hostile: a frame is judged by its header alone before a byte of
 * its payload is kept, and the decoder never holds more than one frame.
 */
import { OpenExecError } from '../schema/index.ts'

export const PROTOCOL_VERSION = 1
const HEADER_BYTES = 12
export const MARKER_BYTES = 32
/** Bytes of a stream in one frame. */
export const DATA_BYTES_MAX = 64 * 1024
export const EXEC_BYTES_MAX = 1024 * 1024
/** Arguments and variables of one command. */
export const EXEC_ARGS_MAX = 16_384
export const EXEC_VARIABLES_MAX = 8192
/** Bytes of one output stream that may be unacknowledged, and so at most held here. */
export const OUTPUT_WINDOW = 512 * 1024
/** Bytes of one input stream that may be on their way. */
export const INPUT_WINDOW = 256 * 1024
export const CHANNELS_OPEN_MAX = 64
export const CHANNEL_MAX = 0x7fff_ffff
/** Ends every frame to the supervisor; the session key never contains it. */
const END = Buffer.from('\n')

/** Orchestrator to supervisor. */
export const TO = {
  attach: 0x01,
  ping: 0x02,
  shutdown: 0x03,
  exec: 0x10,
  input: 0x11,
  inputEnd: 0x12,
  signal: 0x13,
  resize: 0x14,
  kill: 0x15,
  credit: 0x16,
  resume: 0x17,
  release: 0x18,
  read: 0x20,
  write: 0x21,
  list: 0x22,
  stat: 0x23,
  probe: 0x24,
  makeDirectory: 0x25,
  remove: 0x26,
} as const

/** Supervisor to orchestrator. */
export const FROM = {
  hello: 0x81,
  pong: 0x82,
  started: 0x90,
  data: 0x91,
  inputCredit: 0x92,
  exited: 0x93,
  released: 0x94,
  error: 0x95,
  file: 0xa0,
  result: 0xa1,
} as const

export type ToType = (typeof TO)[keyof typeof TO]
type FromType = (typeof FROM)[keyof typeof FROM]

/** 0: no stream, 1: standard output or the only one, 2: standard error. */
export type StreamId = 0 | 1 | 2

export interface Frame {
  type: FromType
  stream: StreamId
  channel: number
  /** A view of what was received: copy it to keep it. */
  payload: Buffer
}

interface Shape {
  type: FromType
  /** Belongs to the whole session, so its channel is 0. */
  session: boolean
  bytesMin: number
  bytesMax: number
}

const SHAPES: ReadonlyMap<number, Shape> = new Map(
  (
    [
      [FROM.hello, true, 32, 32 + 64 * 48],
      [FROM.pong, true, 8, 8],
      [FROM.started, false, 4, 4],
      [FROM.data, false, 9, 8 + DATA_BYTES_MAX],
      [FROM.inputCredit, false, 8, 8],
      [FROM.exited, false, 56, 56],
      [FROM.released, false, 0, 0],
      [FROM.error, false, 2, 2 + 24],
      [FROM.file, false, 32, 32],
      [FROM.result, false, 12, 12],
    ] as const
  ).map(([type, session, bytesMin, bytesMax]) => [type, { type, session, bytesMin, bytesMax }]),
)

/** The error every broken rule of the protocol ends in; whoever gets it kills the sandbox. */
export function violation(reason: string): OpenExecError {
  return new OpenExecError(
    'sandbox_protocol_error',
    `Cannot trust the sandbox any more: ${reason}`,
    {
      hint: 'The sandbox broke the protocol of its pipe and must be killed; run the task again',
    },
  )
}

/** Builds one frame to the supervisor out of the parts of its payload. */
export function encodeFrame(
  type: ToType,
  channel: number,
  parts: readonly Uint8Array[],
  stream: StreamId = 0,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header[0] = type
  header[1] = stream
  header.writeUInt32BE(channel, 4)
  header.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 0),
    8,
  )
  return Buffer.concat([header, ...parts, END])
}

interface Pending {
  head: Omit<Frame, 'payload'>
  payload: Buffer
  filled: number
}

/** Takes bytes as they come and gives frames. Throws `sandbox_protocol_error`, then is unusable. */
export class FrameDecoder {
  #header = Buffer.alloc(HEADER_BYTES)
  #headerFilled = 0
  #pending: Pending | undefined;

  /** The frames completed by `chunk`, each valid until the next is asked for. */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = 0
    while (at < chunk.length) {
      if (this.#pending === undefined) {
        at = this.#takeHeader(chunk, at)
        if (this.#headerFilled < HEADER_BYTES) return
        this.#headerFilled = 0
        const { length, ...head } = judge(this.#header)
        if (chunk.length - at >= length) {
          yield { ...head, payload: chunk.subarray(at, at + length) }
          at += length
          continue
        }
        this.#pending = { head, payload: Buffer.allocUnsafe(length), filled: 0 }
      }
      const { head, payload, filled } = this.#pending
      const copied = chunk.copy(payload, filled, at)
      at += copied
      this.#pending.filled += copied
      if (this.#pending.filled < payload.length) return
      this.#pending = undefined
      yield { ...head, payload }
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
    return at + copied
  }
}

function judge(header: Buffer): Omit<Frame, 'payload'> & { length: number } {
  const [type = 0, stream = 0] = header
  const channel = header.readUInt32BE(4)
  const length = header.readUInt32BE(8)
  const shape = SHAPES.get(type)
  if (shape === undefined) throw violation(`unknown frame type ${type}`)
  if (header.readUInt16BE(2) !== 0) throw violation('reserved bits of a frame header are set')
  if (length < shape.bytesMin || length > shape.bytesMax)
    throw violation(`frame of type ${type} has ${length} bytes`)
  if (shape.session ? channel !== 0 : channel === 0 || channel > CHANNEL_MAX)
    throw violation(`frame of type ${type} on channel ${channel}`)
  return { type: shape.type, stream: streamOf(shape.type, stream), channel, length }
}

function streamOf(type: FromType, stream: number): StreamId {
  if (type !== FROM.data && stream === 0) return 0
  if (type === FROM.data && (stream === 1 || stream === 2)) return stream
  throw violation(`frame of type ${type} on stream ${stream}`)
}

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
