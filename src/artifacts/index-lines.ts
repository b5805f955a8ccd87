import { type FileHandle, open } from 'node:fs/promises'

const CHUNK_BYTES = 64 * 1024
/** Above any line of an index. */
const LINE_BYTES_MAX = 4096

export interface LineReader {
  /** The whole lines that were added since the last call; a line that is half written waits. */
  next(): AsyncGenerator<string>
  /** The last whole line, without moving on. */
  last(): Promise<string | undefined>
}

/** Lines of a file that another process may be writing. */
export function createLineReader(path: string): LineReader {
  let position = 0
  const next = async function* (): AsyncGenerator<string> {
    for (;;) {
      const chunk = await readChunk(path, (size) => ({
        position,
        length: Math.min(CHUNK_BYTES, size - position),
      }))
      const lineEnd = chunk.lastIndexOf(0x0a)
      if (lineEnd === -1) return
      for (const line of chunk.toString('utf8', 0, lineEnd).split('\n')) {
        position += Buffer.byteLength(line) + 1
        yield line
      }
    }
  }
  const last = async (): Promise<string | undefined> => {
    const tail = await readChunk(path, (size) => ({
      position: Math.max(0, size - LINE_BYTES_MAX),
      length: Math.min(LINE_BYTES_MAX, size),
    }))
    const whole = tail.toString('utf8', 0, Math.max(0, tail.lastIndexOf(0x0a)))
    return whole.split('\n').at(-1)
  }
  return { next, last }
}

async function readChunk(
  path: string,
  place: (size: number) => { position: number; length: number },
): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    return await readFully(handle, place(size))
  } finally {
    await handle.close()
  }
}

async function readFully(
  handle: FileHandle,
  { position, length }: { position: number; length: number },
): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}
