/**
 * How an attach begins: the session key, which the supervisor finds even in the middle of a frame
 * a lost orchestrator left unfinished, a fresh marker, and then nothing is believed before the
 * marker comes back. What stood before it was meant for somebody else.
 */
import { OpenExecError } from '../schema/index.ts'
import { Link, type PipeEnds } from './pipe-link.ts'
import { attachPayload, type Hello } from './protocol-messages.ts'
import { encodeFrame } from './protocol-encode.ts'
import { TO } from './protocol.ts'

export interface AttachOptions {
  key: string
  marker: Uint8Array
  orphanTimeoutMs: number
  openTimeoutMs: number
  signal: AbortSignal
}

const PING_MS_MAX = 15_000

/** Attaches and waits for the greeting. On any failure both ends are destroyed. */
export async function attachLink(
  ends: PipeEnds,
  options: AttachOptions,
): Promise<{ link: Link; hello: Hello }> {
  const { key, marker, orphanTimeoutMs, openTimeoutMs, signal } = options
  if (!/^[0-9a-f]{64}$/.test(key))
    throw new OpenExecError('internal', 'Cannot attach to a sandbox: the key is not 64 hex digits')
  signal.throwIfAborted()
  // Four chances to be heard before the supervisor takes silence for death.
  const pingMs = orphanTimeoutMs === 0 ? PING_MS_MAX : Math.min(orphanTimeoutMs / 4, PING_MS_MAX)
  const link = new Link(ends, { marker, pingMs })
  const late = new OpenExecError(
    'timed_out',
    `Cannot attach to the sandbox: its supervisor did not answer within ${openTimeoutMs} ms`,
  )
  const timer = setTimeout(() => link.fail(late), openTimeoutMs)
  const abort = () => link.fail(cancelled(signal.reason))
  signal.addEventListener('abort', abort, { once: true })
  try {
    ends.writable.write(Buffer.from(key))
    ends.writable.write(encodeFrame(TO.attach, 0, attachPayload(marker, orphanTimeoutMs)))
    return { link, hello: await link.hello }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

function cancelled(cause: unknown): OpenExecError {
  return new OpenExecError('cancelled', 'Cancelled an attach to the sandbox', { cause })
}
