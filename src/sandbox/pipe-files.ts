/**
 * File operations through the pipe. Each is a channel of its own that ends with a result or a
 * refusal; content is streamed within the windows, so a large file never stands in the pipe's way.
 */
import { type FileStat, OpenExecError } from '../schema/index.ts'
import { deferred, type Deferred } from './pipe-deferred.ts'
import { InputStream } from './pipe-input.ts'
import type { Channel, Link } from './pipe-link.ts'
import { OutputStream } from './pipe-output.ts'
import { readFileStat, readU64 } from './protocol-messages.ts'
import { FROM, type Frame, INPUT_FRAMES, INPUT_WINDOW, type ToType, violation } from './protocol.ts'

export interface FileAnswer {
  /** Content, entries or sections, as the operation has them. */
  bytes: Buffer
  stat: (FileStat & { modifiedNs: bigint }) | undefined
  /** Bytes or entries passed on. */
  count: number
  /** There was more than the limit let through. */
  cut: boolean
}

export interface FileRequest {
  type: ToType
  /** None for a probe. */
  path: string | Uint8Array | undefined
  payload: readonly Uint8Array[]
  /** Sent as the content of a write. */
  content: Uint8Array | undefined
  /** Bytes of the answer that may be held at most. */
  bytesMax: number
  signal: AbortSignal
}

/** Does one operation. Throws `not_found`, `bad_request`, `sandbox_failed`, `cancelled`. */
export async function fileOperation(link: Link, request: FileRequest): Promise<FileAnswer> {
  request.signal.throwIfAborted()
  const path = request.path === undefined ? [] : [pathBytes(request.path)]
  const operation = new FileOperation(link, { ...request, payload: [...request.payload, ...path] })
  const abort = () => operation.abandon()
  request.signal.addEventListener('abort', abort, { once: true })
  try {
    return await operation.answer
  } finally {
    request.signal.removeEventListener('abort', abort)
  }
}

/** Codes of an ERROR frame on a file operation. */
const REFUSALS: Readonly<Record<number, string>> = {
  4: 'the operation failed',
  5: 'the path leaves the directories a sandbox shares',
  6: 'a part of the path is a symbolic link',
  7: 'it is no regular file',
}
const SLASH = 0x2f
const PATH_BYTES_MAX = 4096
const MISSING = new Set(['ENOENT', 'ENOTDIR'])
const INFRASTRUCTURE = new Set(['EIO', 'ENOSPC', 'EDQUOT', 'ENOMEM', 'EMFILE', 'ENFILE'])

class FileOperation implements Channel {
  readonly answer: Promise<FileAnswer>
  #link: Link
  #request: FileRequest
  #channel: number
  #settle: Deferred<FileAnswer>
  #output: OutputStream
  #input: InputStream
  #chunks: Buffer[] = []
  #stat: FileAnswer['stat']

  constructor(link: Link, request: FileRequest) {
    this.#link = link
    this.#request = request
    this.#settle = deferred()
    this.answer = this.#settle.promise
    this.#channel = link.open(this)
    this.#output = this.#openOutput()
    this.#input = new InputStream(link, {
      channel: this.#channel,
      offset: 0,
      window: () => INPUT_WINDOW,
      frames: INPUT_FRAMES,
    })
    link.send(request.type, this.#channel, request.payload)
    if (request.content !== undefined) void this.#write(request.content)
  }

  abandon(): void {
    this.#end()
    this.#settle.reject(
      new OpenExecError('cancelled', `Cancelled a file operation on "${this.#name()}"`, {
        cause: this.#request.signal.reason,
      }),
    )
  }

  receive(frame: Frame): void {
    switch (frame.type) {
      case FROM.data:
        return this.#output.receive(frame)
      case FROM.inputCredit:
        return this.#input.receiveCredit(frame)
      case FROM.file:
        this.#stat = readFileStat(frame.payload)
        return
      case FROM.result:
        return this.#finish(frame.payload)
      case FROM.error:
        return this.#refuse(frame.payload)
      case FROM.started:
      case FROM.exited:
      case FROM.hello:
      case FROM.pong:
      case FROM.released:
        throw violation(`frame of type ${frame.type} on a file operation`)
    }
  }

  fail(error: OpenExecError): void {
    this.#input.close()
    this.#settle.reject(error)
  }

  #openOutput(): OutputStream {
    return new OutputStream(this.#link, {
      channel: this.#channel,
      id: 1,
      offset: 0,
      consume: (chunk, offset) => {
        if (offset + chunk.length > this.#request.bytesMax)
          throw violation('a file operation answers with more than it was asked for')
        this.#chunks.push(Buffer.from(chunk))
      },
      onError: (error) =>
        this.#link.fail(error instanceof OpenExecError ? error : violation(String(error))),
    })
  }

  async #write(content: Uint8Array): Promise<void> {
    await this.#input.write(content)
    await this.#input.end()
  }

  #end(): void {
    this.#input.close()
    this.#output.discard()
    this.#link.release(this.#channel)
  }

  #finish(payload: Buffer): void {
    const answer = {
      bytes: Buffer.concat(this.#chunks),
      stat: this.#stat,
      count: readU64(payload, 0),
    }
    this.#end()
    this.#settle.resolve({ ...answer, cut: payload.readUInt32BE(8) === 1 })
  }

  #refuse(payload: Buffer): void {
    const refusal = REFUSALS[payload.readUInt16BE(0)]
    if (refusal === undefined) throw violation('a file operation failed in an unknown way')
    const errno = payload.toString('latin1', 2)
    this.#end()
    this.#settle.reject(
      new OpenExecError(
        MISSING.has(errno)
          ? 'not_found'
          : INFRASTRUCTURE.has(errno)
            ? 'sandbox_failed'
            : 'bad_request',
        `Cannot use "${this.#name()}" in the sandbox: ${refusal}${errno === '' ? '' : ` (${errno})`}`,
        { details: { errno } },
      ),
    )
  }

  #name(): string {
    return Buffer.from(this.#request.path ?? '/proc').toString()
  }
}

function pathBytes(path: string | Uint8Array): Buffer {
  const bytes = typeof path === 'string' ? Buffer.from(path) : Buffer.from(path)
  if (bytes[0] === SLASH && bytes.length <= PATH_BYTES_MAX && !bytes.includes(0)) return bytes
  throw new OpenExecError(
    'bad_request',
    `Cannot use path "${bytes.toString('utf8', 0, 100)}" in the sandbox: it must be absolute, without NUL, at most ${PATH_BYTES_MAX} bytes`,
  )
}
