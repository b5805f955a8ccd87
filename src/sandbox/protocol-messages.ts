/**
 * What the payloads mean: requests are written, answers are read field by field. Pure; a payload
 * that does not say exactly what its type promises is a violation of the protocol.
 */
import type { FileStat } from '../schema/index.ts'
import {
  CHANNELS_OPEN_MAX,
  type DoorFrame,
  FROM,
  type Frame,
  INPUT_WINDOW,
  OUTPUT_WINDOW,
  PROTOCOL_VERSION,
  violation,
} from './protocol.ts'

/** A command that outlived the attach before. */
interface LiveChannel {
  channel: number
  state: 'starting' | 'running' | 'exited' | 'failed'
  /** Bytes of standard input the supervisor has taken. */
  inputBytes: number
  /** Offsets: acknowledged before, captured so far. */
  stdout: { from: number; to: number }
  stderr: { from: number; to: number }
}

export interface Hello {
  pid: number
  /** Whether the supervisor is the first process of its container. */
  first: boolean
  /** Channel ids up to this one are used up. */
  lastChannel: number
  /** Whether it can listen for connections inside. */
  hasDoor: boolean
  /** How many connections it takes can be said, and more of each may be on its way. */
  hasManyConnections: boolean
  live: readonly LiveChannel[]
}

export interface Exited {
  exitCode: number
  /** 0: it exited by itself. */
  signal: number
  timedOut: boolean
  outputLimited: boolean
  killed: boolean
  /** A process inside killed the one that watched over the command. */
  lost: boolean
  outOfMemory: boolean
  durationUs: number
  userUs: number
  systemUs: number
  residentBytesMax: number
  stdoutBytes: number
  stderrBytes: number
}

export interface ExecPayload {
  argv: readonly string[]
  env: Readonly<Record<string, string>>
  cwd: string
  stdin: boolean
  terminal: { rows: number; columns: number } | undefined
  keepDescendants: boolean
  /** `ms`; 0 is no limit. */
  timeoutMs: number
  /** Bytes of both streams together; 0 is no limit. */
  outputBytesMax: number
}

const LIVE_STATES = ['starting', 'running', 'exited', 'failed'] as const
const FILE_TYPES: Readonly<Record<string, FileStat['type']>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
}

export function attachPayload(marker: Uint8Array, orphanTimeoutMs: number): Buffer[] {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(PROTOCOL_VERSION, 0)
  return [head, Buffer.from(marker), u32(orphanTimeoutMs)]
}

export function execPayload(request: ExecPayload): Buffer[] {
  const fixed = Buffer.alloc(28)
  const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`)
  fixed.writeUInt32BE(
    (request.stdin ? 1 : 0) | (request.terminal ? 2 : 0) | (request.keepDescendants ? 4 : 0),
    0,
  )
  fixed.writeUInt32BE(Math.min(Math.ceil(request.timeoutMs), 0xffff_ffff), 4)
  fixed.writeBigUInt64BE(BigInt(request.outputBytesMax), 8)
  fixed.writeUInt16BE(request.terminal?.rows ?? 0, 16)
  fixed.writeUInt16BE(request.terminal?.columns ?? 0, 18)
  fixed.writeUInt32BE(request.argv.length, 20)
  fixed.writeUInt32BE(env.length, 24)
  return [fixed, Buffer.from(`${[request.cwd, ...request.argv, ...env].join('\0')}\0`)]
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function u64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length)
  values.forEach((value, index) => bytes.writeBigUInt64BE(BigInt(value), 8 * index))
  return bytes
}

/** Throws `sandbox_protocol_error` for another version or an inconsistent list of channels. */
export function readHello({ type, payload }: Frame | DoorFrame): Hello {
  if (type !== FROM.hello) throw violation(`frame of type ${type} instead of the greeting`)
  const version = payload.readUInt16BE(0)
  if (version !== PROTOCOL_VERSION)
    throw violation(`it speaks version ${version} of the protocol, expected ${PROTOCOL_VERSION}`)
  const count = payload.readUInt32BE(28)
  const agreed = [12, 16, 20].map((at) => payload.readUInt32BE(at))
  if (agreed.join() !== [OUTPUT_WINDOW, INPUT_WINDOW, CHANNELS_OPEN_MAX].join())
    throw violation('its windows are not those of the protocol')
  if (payload.length !== 32 + 48 * count) throw violation('the greeting has the wrong length')
  return {
    first: payload.readUInt16BE(2) === 1,
    pid: payload.readUInt32BE(4),
    lastChannel: payload.readUInt32BE(8),
    hasDoor: (payload.readUInt32BE(24) & 1) !== 0,
    hasManyConnections: (payload.readUInt32BE(24) & 2) !== 0,
    live: Array.from({ length: count }, (_, index) => readLive(payload.subarray(32 + 48 * index))),
  }
}

function readLive(at: Buffer): LiveChannel {
  const state = LIVE_STATES[at.readUInt32BE(4)]
  if (state === undefined) throw violation('a channel is in an unknown state')
  return {
    channel: at.readUInt32BE(0),
    state,
    inputBytes: readU64(at, 8),
    stdout: { from: readU64(at, 16), to: readU64(at, 24) },
    stderr: { from: readU64(at, 32), to: readU64(at, 40) },
  }
}

export function readExited(payload: Buffer): Exited {
  const [flags = 0, signal = 0] = payload
  return {
    exitCode: payload.readInt32BE(4),
    signal,
    timedOut: (flags & 1) !== 0,
    outputLimited: (flags & 2) !== 0,
    killed: (flags & 4) !== 0,
    lost: (flags & 8) !== 0,
    outOfMemory: (flags & 16) !== 0,
    durationUs: readU64(payload, 8),
    userUs: readU64(payload, 16),
    systemUs: readU64(payload, 24),
    residentBytesMax: readU64(payload, 32),
    stdoutBytes: readU64(payload, 40),
    stderrBytes: readU64(payload, 48),
  }
}

export function readFileStat(payload: Buffer): FileStat & { modifiedNs: bigint } {
  const type = FILE_TYPES[payload.toString('latin1', 0, 1)] ?? 'other'
  const size = readU64(payload, 8)
  return { type, mode: payload.readUInt32BE(4), size, modifiedNs: payload.readBigUInt64BE(16) }
}

/** Offsets and sizes beyond what a double holds exactly do not exist. */
export function readU64(payload: Buffer, at: number): number {
  const value = payload.readBigUInt64BE(at)
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw violation(`the number ${value} is out of range`)
  return Number(value)
}
