/** A model server on a loopback socket that answers what a test says, byte for byte. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  path: string
  headers: IncomingMessage['headers']
  body: string
}

export interface ModelServer extends AsyncDisposable {
  url: string
  received: Received[]
}

export type Respond = (response: ServerResponse, place: { call: number; request: Received }) => void

/** `respond` gets every request once it is there whole. */
export async function openModelServer(respond: Respond): Promise<ModelServer> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', headers } = request
      const body = Buffer.concat(chunks).toString()
      const one = { path: url, headers, body }
      received.push(one)
      respond(response, { call: received.length, request: one })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Writes a body in pieces of `size` bytes, each in a packet of its own where the kernel lets it. */
export function writeInPieces(response: ServerResponse, body: Buffer, size: number): void {
  let at = 0
  const next = () => {
    if (at >= body.length || response.destroyed) return void response.end()
    response.write(body.subarray(at, at + size))
    at += size
    setImmediate(next)
  }
  next()
}
