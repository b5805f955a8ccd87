/** Reads objects one after the other through one `git cat-file --batch`, in pieces. */
import { OpenExecError } from '../schema/index.ts'
import type { GitPlace } from './git-environment.ts'
import { type GitCaller, gitStream } from './git.ts'
import type { GitStream } from './git-process.ts'

export interface BlobReader {
  /** Hands the content on in pieces and returns its size; `workspace_failed` when it is missing. */
  pipe(oid: string, sink: (piece: Buffer) => void): Promise<number>
  /** The whole content, at most `maxBytes`. */
  read(oid: string, maxBytes: number): Promise<Buffer>
  /** The same with its type, for what may be missing; `undefined` then. */
  find(name: string, maxBytes: number): Promise<{ type: string; content: Buffer } | undefined>
  close(): Promise<void>
}

export function openBlobReader(caller: GitCaller, place: GitPlace): BlobReader {
  const stream = gitStream(caller, place, ['cat-file', '--batch'])
  const answers = bytesOf(stream)
  let broken = false
  const ask = async (
    name: string,
    sink: (piece: Buffer) => void,
  ): Promise<{ type: string; size: number } | undefined> => {
    if (broken) {
      throw new OpenExecError('workspace_failed', 'Cannot read objects: reader is broken')
    }
    broken = true
    stream.stdin.write(`${name}\n`)
    const head = headOf(await answers.line())
    const size = head?.size ?? 0
    if (head === undefined) {
      broken = false
      return undefined
    }
    for (let left = size; left > 0;) {
      const piece = await answers.upTo(left)
      left -= piece.length
      sink(piece)
    }
    // Each content is followed by a newline of its own.
    await answers.upTo(1)
    broken = false
    return head
  }
  const find: BlobReader['find'] = async (name, maxBytes) => {
    const pieces: Buffer[] = []
    let kept = 0
    const head = await ask(name, (piece) => {
      kept += piece.length
      if (kept <= maxBytes) pieces.push(Buffer.from(piece))
    })
    if (head === undefined) return undefined
    if (kept <= maxBytes) return { type: head.type, content: Buffer.concat(pieces) }
    throw new OpenExecError(
      'workspace_failed',
      `Cannot read object ${name}: over ${maxBytes} bytes`,
    )
  }
  return {
    async pipe(oid, sink) {
      return (await ask(oid, sink))?.size ?? absent(oid)
    },
    async read(oid, maxBytes) {
      return (await find(oid, maxBytes))?.content ?? absent(oid)
    },
    find,
    async close() {
      stream.kill()
      await stream.done.catch(() => undefined)
    },
  }
}

function bytesOf(stream: GitStream) {
  const chunks = stream.stdout[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  const more = async (): Promise<void> => {
    const next = await chunks.next()
    if (next.done === true) {
      await stream.done
      throw new OpenExecError('workspace_failed', 'Cannot read objects: git ended early')
    }
    // A stream without an encoding yields buffers only.
    const chunk = next.value as Buffer
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
  }
  return {
    async line(): Promise<string> {
      while (!rest.includes(10)) await more()
      const end = rest.indexOf(10)
      const line = rest.toString('latin1', 0, end)
      rest = rest.subarray(end + 1)
      return line
    },
    /** At least one byte, at most `bytes`. */
    async upTo(bytes: number): Promise<Buffer> {
      if (rest.length === 0) await more()
      const piece = rest.subarray(0, bytes)
      rest = rest.subarray(piece.length)
      return piece
    },
  }
}

function headOf(line: string): { type: string; size: number } | undefined {
  const [, type, size] = /^[0-9a-f]+ ([a-z]+) (\d+)$/.exec(line) ?? []
  return type === undefined ? undefined : { type, size: Number(size) }
}

function absent(oid: string): never {
  throw new OpenExecError('workspace_failed', `Cannot read object ${oid}: not in the repository`, {
    hint: 'The object may be missing from a partial clone, or its commit was removed from the repository',
  })
}
