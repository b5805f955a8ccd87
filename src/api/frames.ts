import type { StreamFrame } from '../runtime/index.ts'
import type { WireFrame } from '../schema/index.ts'

/** A frame as JSON carries it: output bytes as base64. */
export function wireFrameOf(frame: StreamFrame): WireFrame {
  return frame.type === 'output'
    ? { ...frame, data: Buffer.from(frame.data).toString('base64') }
    : frame
}

const STREAMS = { stdout: 1, stderr: 2 } as const

/** Output as a binary message: `stream u8 | length of step u16 | step | offset u64 | data`. */
export function binaryFrameOf({
  step,
  stream,
  offset,
  data,
}: Extract<StreamFrame, { type: 'output' }>): Uint8Array {
  const name = Buffer.from(step)
  const head = Buffer.alloc(3 + name.length + 8)
  head.writeUInt8(STREAMS[stream], 0)
  head.writeUInt16BE(name.length, 1)
  name.copy(head, 3)
  head.writeBigUInt64BE(BigInt(offset), 3 + name.length)
  return Buffer.concat([head, data])
}
