/**
 * The host that is asked, as a process of its own, so that what it costs is not counted to the
 * gateway. Prints its ports once it listens: `HTTPS HTTP`. Ends with its standard input.
 */
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createAuthority } from '../src/sandbox/egress/certificate-authority.ts'

const CHUNK = Buffer.alloc(256 * 1024, 'x')

/** `/N` answers with N bytes; each request has a connection of its own. */
const answer: RequestListener = (request, response) => {
  let left = Number((request.url ?? '').slice(1)) || 0
  response.writeHead(200, { 'content-length': left, connection: 'close' })
  const send = () => {
    while (left > 0) {
      const part = CHUNK.subarray(0, Math.min(left, CHUNK.length))
      left -= part.length
      if (!response.write(part)) return void response.once('drain', send)
    }
    response.end()
  }
  send()
}

const validity = { now: Date.now(), validMs: 86_400_000 }
const authority = createAuthority('bench', { ...validity, names: [] })
const { key, certificate } = authority.issue('bench.test', validity)
const https = await listening(createHttpsServer({ key, cert: certificate }, answer))
console.log(https)
process.stdin.resume().once('end', () => process.exit(0))

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Listening on a port, never on a path.
  return (server.address() as AddressInfo).port
}
