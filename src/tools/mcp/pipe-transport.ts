/**
 * Carries the protocol over the pipes of a process in a sandbox: one JSON message a line. What comes
 * is hostile: lines, bytes and messages are counted, and what goes over a bound ends the process.
 */
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'

/** What the transport needs of a process; a command in a sandbox is one. */
export interface PipeProcess {
  write(bytes: Uint8Array): Promise<void>
  kill(): void
}

/** Bytes of one message. */
const LINE_BYTES_MAX = 4 * 1024 * 1024
/** Bytes of all messages of one process. */
const BYTES_MAX = 64 * 1024 * 1024
/** Messages that are no answer: notifications, requests, answers to nothing. */
const UNASKED_MAX = 1000

/** The interface of the SDK's own transports. */
export class PipeTransport {
  onmessage?: (message: JSONRPCMessage) => void
  onclose?: () => void
  onerror?: (error: Error) => void
  #process: PipeProcess | undefined
  #parts: Buffer[] = []
  #partBytes = 0
  #bytes = 0
  #unasked = 0
  #pending = new Set<unknown>()
  #closed = false
  /** Why it was closed from this side. */
  fault: string | undefined

  async start(): Promise<void> {}

  /** Once, before anything is sent. */
  attach(process: PipeProcess): void {
    this.#process = process
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed || this.#process === undefined) throw new Error(this.fault ?? 'It has ended')
    if ('method' in message && 'id' in message) this.#pending.add(message.id)
    await this.#process.write(Buffer.from(`${JSON.stringify(message)}\n`))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#parts = []
    this.#process?.kill()
    this.onclose?.()
  }

  isClosed(): boolean {
    return this.#closed
  }

  /** A piece of its stdout. */
  take(chunk: Uint8Array): void {
    let rest = Buffer.from(chunk)
    this.#bytes += rest.length
    if (this.#bytes > BYTES_MAX) return this.#refuse(`it wrote more than ${BYTES_MAX} bytes`)
    for (let end = rest.indexOf(0x0a); end >= 0 && !this.#closed; end = rest.indexOf(0x0a)) {
      this.#keep(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
      const line = Buffer.concat(this.#parts)
      this.#parts = []
      this.#partBytes = 0
      if (!this.#closed && line.length > 0) this.#read(line)
    }
    if (!this.#closed) this.#keep(rest)
  }

  #keep(part: Buffer): void {
    this.#partBytes += part.length
    if (this.#partBytes > LINE_BYTES_MAX)
      return this.#refuse(`it wrote a message of more than ${LINE_BYTES_MAX} bytes`)
    this.#parts.push(part)
  }

  #read(line: Buffer): void {
    let value: unknown
    try {
      value = JSON.parse(line.toString('utf8'))
    } catch {
      return this.#refuse('it wrote a line that is no JSON')
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      return this.#refuse('it wrote a line that is no message')
    const isAnswer = !('method' in value) && 'id' in value && this.#pending.delete(value.id)
    if (!isAnswer && (this.#unasked += 1) > UNASKED_MAX)
      return this.#refuse(`it wrote more than ${UNASKED_MAX} messages nobody asked for`)
    // The client checks the shape of what it takes, and drops answers to nothing.
    this.onmessage?.(value as JSONRPCMessage)
  }

  #refuse(why: string): void {
    this.fault ??= why
    void this.close()
  }
}
