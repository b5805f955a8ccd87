/**
 * The frames of the pipe into a sandbox, as `docs/protocol.md` describes them. Pure: it turns
 * bytes into frames and frames into bytes, and knows no stream, channel or command.
 *
 * What comes out of a sandbox is hostile: a frame is judged by its header alone before a byte of
 * its payload is kept, and the decoder never holds more than one frame.
 */
import { OpenExecError } from '../schema/index.ts'

export const PROTOCOL_VERSION = 1
export const HEADER_BYTES = 12
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
/** Ids above it belong to channels the supervisor opens: connections to the door. */
export const CHANNEL_MAX = 0x7fff_ffff
/** Bytes of one direction of a connection that may be on their way. */
export const DOOR_WINDOW = 256 * 1024
/** The same the other way: for few connections, for many, and for a supervisor that knows no other. */
export const DOOR_INPUT_WINDOW = { few: 1024 * 1024, many: 128 * 1024, old: 256 * 1024 } as const
/** More connections than this are many: each is given less, so that all together stay bounded. */
export const DOOR_CONNECTIONS_FEW = 16
export const DOOR_CONNECTIONS_MAX = 256
/** Of a supervisor that cannot be told how many. */
export const DOOR_CONNECTIONS_OLD = 64
/** Bytes of all connections of one sandbox that may wait here for hosts that do not take them. */
export const DOOR_HELD_MAX = 32 * 1024 * 1024
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
  listen: 0x40,
  doorBytes: 0x42,
  doorCredit: 0x43,
  doorEnd: 0x44,
  doorClose: 0x45,
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

/** Supervisor to orchestrator, about the door and the connections to it. */
export const FROM_DOOR = {
  listening: 0xc0,
  opened: 0xc1,
  bytes: 0xc2,
  credit: 0xc3,
  ended: 0xc4,
  closed: 0xc5,
} as const

/** The frames of standard input and of file content. */
export const INPUT_FRAMES = { bytes: TO.input, end: TO.inputEnd } as const

export type ToType = (typeof TO)[keyof typeof TO]
type FromType = (typeof FROM)[keyof typeof FROM]
type FromDoorType = (typeof FROM_DOOR)[keyof typeof FROM_DOOR]

/** 0: no stream, 1: standard output or the only one, 2: standard error. */
export type StreamId = 0 | 1 | 2

interface AnyFrame<Type> {
  type: Type
  stream: StreamId
  channel: number
  /** A view of what was received: copy it to keep it. */
  payload: Buffer
}

export type Frame = AnyFrame<FromType>
export type DoorFrame = AnyFrame<FromDoorType>

/** Whose channel a frame speaks of: that of the whole session is 0. */
type Owner = 'session' | 'orchestrator' | 'door'

interface Shape {
  type: FromType | FromDoorType
  owner: Owner
  bytesMin: number
  bytesMax: number
}

const SHAPES: ReadonlyMap<number, Shape> = new Map(
  (
    [
      [FROM.hello, 'session', 32, 32 + 64 * 48],
      [FROM.pong, 'session', 8, 8],
      [FROM.started, 'orchestrator', 4, 4],
      [FROM.data, 'orchestrator', 9, 8 + DATA_BYTES_MAX],
      [FROM.inputCredit, 'orchestrator', 8, 8],
      [FROM.exited, 'orchestrator', 56, 56],
      [FROM.released, 'orchestrator', 0, 0],
      [FROM.error, 'orchestrator', 2, 2 + 24],
      [FROM.file, 'orchestrator', 32, 32],
      [FROM.result, 'orchestrator', 12, 12],
      [FROM_DOOR.listening, 'session', 2, 2 + 24],
      [FROM_DOOR.opened, 'door', 0, 0],
      [FROM_DOOR.bytes, 'door', 9, 8 + DATA_BYTES_MAX],
      [FROM_DOOR.credit, 'door', 8, 8],
      [FROM_DOOR.ended, 'door', 8, 8],
      [FROM_DOOR.closed, 'door', 4, 4],
    ] as const
  ).map(([type, owner, bytesMin, bytesMax]) => [type, { type, owner, bytesMin, bytesMax }]),
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

type Head = Omit<Frame | DoorFrame, 'payload'>

interface Pending {
  head: Head
  payload: Buffer
  filled: number
}

/** Takes bytes as they come and gives frames. Throws `sandbox_protocol_error`, then is unusable. */
export class FrameDecoder {
  #header = Buffer.alloc(HEADER_BYTES)
  #headerFilled = 0
  #pending: Pending | undefined;

  /** The frames completed by `chunk`, each valid until the next is asked for. */
  *push(chunk: Buffer): Generator<AnyFrame<Shape['type']>, void, undefined> {
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

function judge(header: Buffer): Head & { length: number } {
  const [type = 0, stream = 0] = header
  const channel = header.readUInt32BE(4)
  const length = header.readUInt32BE(8)
  const shape = SHAPES.get(type)
  if (shape === undefined) throw violation(`unknown frame type ${type}`)
  if (header.readUInt16BE(2) !== 0) throw violation('reserved bits of a frame header are set')
  if (length < shape.bytesMin || length > shape.bytesMax)
    throw violation(`frame of type ${type} has ${length} bytes`)
  if (shape.owner !== ownerOf(channel))
    throw violation(`frame of type ${type} on channel ${channel}`)
  return { type: shape.type, stream: streamOf(shape.type, stream), channel, length }
}

export function isDoorFrame(frame: AnyFrame<Shape['type']>): frame is DoorFrame {
  return frame.type === FROM_DOOR.listening || frame.channel > CHANNEL_MAX
}

function ownerOf(channel: number): Owner {
  if (channel === 0) return 'session'
  return channel > CHANNEL_MAX ? 'door' : 'orchestrator'
}

function streamOf(type: Shape['type'], stream: number): StreamId {
  if (type !== FROM.data && stream === 0) return 0
  if (type === FROM.data && (stream === 1 || stream === 2)) return stream
  throw violation(`frame of type ${type} on stream ${stream}`)
}
