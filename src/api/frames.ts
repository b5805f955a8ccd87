import type { StreamFrame } from '../runtime/index.ts'
import type { WireFrame } from '../schema/index.ts'

/** A frame as JSON carries it: output bytes as base64. */
export function wireFrameOf(frame: StreamFrame): WireFrame {
  return frame.type === 'output'
    ? { ...frame, data: Buffer.from(frame.data).toString('base64') }
    : frame
}
