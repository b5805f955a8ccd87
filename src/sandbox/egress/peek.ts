import type { Duplex } from 'node:stream'
import { deferred } from '../pipe-deferred.ts'

export type Peeked = { bytes: Buffer; end: 'enough' | 'too_much' | 'timeout' | 'closed' }

export interface PeekOptions {
  /** Whether what has come so far is all that is needed. */
  enough(bytes: Buffer): boolean
  bytesMax: number
  /** `ms` */
  timeoutMs: number
}

/**
 * Waits for the first bytes of a stream and puts them back, so that whoever reads next finds them.
 * Never rejects; a stream that ends or fails first is `closed`.
 */
export async function peek(stream: Duplex, options: PeekOptions): Promise<Peeked> {
  const { promise, resolve } = deferred<Peeked>()
  let bytes: Buffer = Buffer.alloc(0)
  const done = (end: Peeked['end']) => {
    clearTimeout(timer)
    stream.off('readable', look).off('end', closed).off('close', closed).off('error', closed)
    // In the very tick it was read: later the stream may have ended, and takes nothing back.
    if (bytes.length > 0 && !stream.readableEnded && !stream.destroyed) stream.unshift(bytes)
    resolve({ bytes, end })
  }
  const closed = () => done('closed')
  const look = () => {
    const chunk: unknown = stream.read()
    if (!Buffer.isBuffer(chunk)) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    if (options.enough(bytes)) done('enough')
    else if (bytes.length >= options.bytesMax) done('too_much')
  }
  const timer = setTimeout(() => done('timeout'), options.timeoutMs)
  stream.on('readable', look).on('end', closed).on('close', closed).on('error', closed)
  if (stream.destroyed || stream.readableEnded) closed()
  else look()
  return await promise
}
