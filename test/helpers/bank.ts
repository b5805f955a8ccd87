/**
 * Hosts that secrets are bound to, on an internet of the test's own: one that says back whatever it
 * was sent, in as many ways as there are, and others that are not who they should be.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createAuthority } from '../../src/sandbox/egress/certificate-authority.ts'
import type { TestInternet } from './test-internet.ts'

const DAY_MS = 86_400_000
const DAY = { now: Date.now(), validMs: DAY_MS }
/** Global addresses, of which nothing real is ever dialled. */
const ADDRESS = {
  bank: '20.0.1.1',
  stranger: '20.0.1.2',
  expired: '20.0.1.3',
  elsewhere: '20.0.1.4',
}

export interface Bank extends AsyncDisposable {
  /** What arrived: host, target and the headers that carry logins. */
  arrived: { host: string; url: string; login: string; key: string; body: string }[]
}

/** `bank.test` is genuine; `stranger.test`, `expired.test`, `elsewhere.test` have bad certificates. */
export async function openBank(internet: TestInternet): Promise<Bank> {
  const known = createAuthority('Known', { ...DAY, names: [] })
  const unknown = createAuthority('Unknown', { ...DAY, names: [] })
  internet.roots.push(known.certificate)
  const arrived: Bank['arrived'] = []
  const answer = answering(arrived)
  const servers: Server[] = []
  const long = { now: Date.now() - 30 * DAY_MS, validMs: DAY_MS }
  const hosts = [
    ['bank', known.issue('bank.test', DAY)],
    ['stranger', unknown.issue('stranger.test', DAY)],
    ['expired', known.issue('expired.test', long)],
    ['elsewhere', known.issue('bank.test', DAY)],
  ] as const
  for (const [name, { key, certificate }] of hosts) {
    const server = createServer({ key, cert: certificate })
    server.on('request', (request, response) => void answer(request, response))
    server.on('upgrade', (_, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\nhidden'),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.push(server)
    // Listening on a port, never on a path.
    const { port } = server.address() as AddressInfo
    internet.names.set(`${name}.test`, () => [ADDRESS[name]])
    for (const at of [443, 8443]) internet.routes.set(`${ADDRESS[name]}:${at}`, port)
  }
  return {
    arrived,
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.closeAllConnections()
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
    },
  }
}

const answering =
  (arrived: Bank['arrived']) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const { url = '', headers } = request
    const login = headers.authorization ?? ''
    const key = String(headers['x-key'] ?? '')
    const body = Buffer.concat(parts).toString('latin1')
    arrived.push({ host: headers.host ?? '', url, login, key, body })
    if (url.startsWith('/away')) {
      response.writeHead(302, { location: 'https://other.test/take', 'x-said': login })
      return void response.end()
    }
    response.setHeader('x-said', login)
    if (url.startsWith('/slow')) {
      // Cut where it hurts, in pieces of a byte.
      for (const byte of Buffer.from(`you said ${login}.`)) {
        response.write(Buffer.from([byte]))
        await new Promise((done) => setImmediate(done))
      }
      return void response.end()
    }
    const said = `you said ${login}; ${Buffer.from(login).toString('base64')}; ${Buffer.from(login).toString('hex')}`
    response.setHeader('content-length', Buffer.byteLength(said))
    response.end(said)
  }
