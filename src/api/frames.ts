import type { StreamFrame } from '../runtime/index.ts'
import type { WireFrame } from '../schema/index.ts'

/** One frame as a line of JSON. */
export function encodeFrame(frame: StreamFrame): string {
  const wire: WireFrame =
    frame.type === 'output' ? { ...frame, data: Buffer.from(frame.data).toString('base64') } : frame
  return `${JSON.stringify(wire)}\n`
}
