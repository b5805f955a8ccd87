/**
 * A socket in front of the real engine that can be cut at any moment: an engine that dies, as seen
 * from here, without harm to the one everybody shares.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface EngineProxy {
  endpoint: string
  /** Breaks every connection and takes no more. */
  cut(): Promise<void>
  /** Keeps every connection and passes nothing on any more. */
  freeze(): void
  /** Takes connections and passes bytes again. */
  restore(): Promise<void>
  close(): Promise<void>
}

/** `rewrite` sees every piece on its way to the engine. */
export async function engineProxy(
  realEndpoint: string,
  rewrite: (chunk: Buffer) => Buffer = (chunk) => chunk,
): Promise<EngineProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'engine-'))
  const path = join(directory, 'engine.sock')
  const open = new Set<Socket>()
  let server = createServer()
  let isFrozen = false
  const serve = (near: Socket) => {
    const far = connect(realEndpoint.replace('unix://', ''))
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('data', (chunk: Buffer) => {
        if (!isFrozen) other.write(one === near ? rewrite(chunk) : chunk)
      })
      one.on('end', () => other.end())
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
  }
  const listen = () =>
    new Promise<void>((resolve) => {
      server = createServer({ allowHalfOpen: true }, serve)
      server.listen(path, resolve)
    })
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of open) socket.destroy()
    await closed
  }
  await listen()
  return {
    endpoint: `unix://${path}`,
    cut,
    freeze: () => {
      isFrozen = true
    },
    restore: async () => {
      isFrozen = false
      if (!server.listening) await listen()
    },
    close: async () => {
      await cut()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
