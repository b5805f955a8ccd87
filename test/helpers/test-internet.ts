/**
 * An internet of the test's own: names, addresses and servers, all behind loopback. What is dialled
 * anywhere else goes to the sink and is counted, so that "nothing left" can be asked.
 */
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type RequestListener,
  type Server as HttpServer,
} from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { BulkReader } from '../../src/sandbox/egress/bulk-reader.ts'
import {
  createEgressDoor,
  type DoorDeps,
  type EgressDoor,
  type RunSide,
} from '../../src/sandbox/egress/door.ts'
import { createAuthority } from '../../src/sandbox/egress/certificate-authority.ts'
import { NO_CREDENTIALS } from '../../src/sandbox/egress/credentials.ts'
import { EGRESS_LIMITS, type EgressLimits } from '../../src/sandbox/egress/limits.ts'
import type { Internet } from '../../src/sandbox/egress/gateway.ts'
import type { EgressRecord } from '../../src/sandbox/egress/session.ts'
import { classifyAddress, networkList, type NetworkList } from '../../src/policy/index.ts'
import { readPolicy } from '../../src/policy/index.ts'

/** Global addresses: what is there answers, and nothing of the real ones is ever dialled. */
export const ADDRESS = { allowed: '20.0.0.1', other: '20.0.0.2' } as const

export interface TestInternet extends AsyncDisposable {
  names: Map<string, () => readonly string[]>
  /** `address:port` → port on loopback. */
  routes: Map<string, number>
  /** Every connection that was dialled, `address:port`. */
  dialled: string[]
  /** What was asked of the resolver. */
  asked: string[]
  /** Requests that arrived, as `METHOD host url`. */
  arrived: string[]
  records: EgressRecord[]
  /** Bytes that came to the TLS servers. */
  tlsBytes: number
  /** Resolves once no connection is open any more. */
  idle(): Promise<void>
  /** What hosts' certificates must come from. */
  roots: string[]
  /** For a whole program. */
  internet: Internet
  door(list: NetworkList | undefined, limits?: Partial<EgressLimits>, run?: RunSide): EgressDoor
  /** A port on loopback that leads to a door, as a sandbox's would. */
  listen(door: EgressDoor): Promise<number>
  listenTcp(onSocket: (socket: Socket) => void): Promise<number>
}

export function listOf(text: string, network?: readonly string[]): NetworkList {
  const policy = readPolicy({ file: 'p.yaml', text: `version: 1\n${text}\n` })
  return networkList(policy, { mode: 'workspace_write', stage: 'test', network })
}

export async function testInternet(): Promise<TestInternet> {
  const servers = new Set<Server | HttpServer>()
  const sockets = new Set<Socket>()
  const started = async (server: Server | HttpServer): Promise<number> => {
    servers.add(server)
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // Listening on a port, never on a path.
    return (server.address() as AddressInfo).port
  }
  const internet: TestInternet = {
    internet: {
      resolve: (name) => resolve(internet, name),
      dial: (address, port, signal, reader) =>
        dial(internet, `${address}:${port}`, { signal, reader }),
      classify,
      roots: () => internet.roots,
    },
    names: new Map(),
    routes: new Map(),
    dialled: [],
    asked: [],
    arrived: [],
    records: [],
    roots: [],
    tlsBytes: 0,
    async idle() {
      while (sockets.size > 0) {
        const [socket] = sockets
        if (socket !== undefined && !socket.closed) await once(socket, 'close')
        else break
      }
    },
    door: (list, limits = {}, run = { authority: undefined, credentials: NO_CREDENTIALS }) => {
      const deps = doorDeps(internet, { ...EGRESS_LIMITS, ...limits })
      const door = createEgressDoor({ ...deps, ...run })
      door.use(list)
      return door
    },
    listen: (door) =>
      started(createServer({ allowHalfOpen: true }, (socket) => door.accept(socket))),
    listenTcp: (onSocket) => started(createServer({ allowHalfOpen: true }, onSocket)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([...servers].map((server) => new Promise((done) => server.close(done))))
    },
  }
  const answer =
    (scheme: string): RequestListener =>
    (request, response) => {
      const changes = request.headers.upgrade === undefined ? '' : ' upgrade'
      const { host } = request.headers
      internet.arrived.push(`${scheme} ${request.method} ${host} ${request.url}${changes}`)
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const { method, url, headers } = request
        const body = Buffer.concat(parts).toString('latin1')
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ scheme, method, url, headers, body }))
      })
    }
  const http = await started(createHttpServer(answer('http')))
  const validity = { now: Date.now(), validMs: 86_400_000 }
  const authority = createAuthority('Test internet', { ...validity, names: [] })
  internet.roots.push(authority.certificate)
  const { key, certificate } = authority.issue('allowed.test', validity)
  const https = createTlsServer({ key, cert: certificate }, (socket) =>
    web.emit('connection', socket),
  )
  const web = createHttpServer(answer('https'))
  https.on('connection', (socket: Socket) =>
    socket.once('close', () => void (internet.tlsBytes += socket.bytesRead)),
  )
  const tls = await started(https)
  const echo = await started(createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)))
  for (const address of Object.values(ADDRESS)) {
    internet.routes.set(`${address}:80`, http)
    internet.routes.set(`${address}:443`, tls)
    internet.routes.set(`${address}:7`, echo)
  }
  internet.names.set('allowed.test', () => [ADDRESS.allowed])
  internet.names.set('other.test', () => [ADDRESS.other])
  return internet
}

function doorDeps(
  { internet, records }: TestInternet,
  limits: EgressLimits,
): Omit<DoorDeps, keyof RunSide> {
  const onRecord = (record: EgressRecord) => void records.push(record)
  return { ...internet, limits, now: () => performance.now(), onRecord }
}

/** The real classification; one address is taken for the machine's own. */
const classify = (address: string) => classifyAddress(address, ['20.0.0.200'])

async function resolve({ asked, names }: TestInternet, name: string): Promise<readonly string[]> {
  asked.push(name)
  const answers = names.get(name)
  if (answers !== undefined) return answers()
  throw Object.assign(new Error(`No such name "${name}"`), { code: 'ENOTFOUND' })
}

async function dial(
  { dialled, routes }: TestInternet,
  target: string,
  { signal, reader }: { signal: AbortSignal; reader: BulkReader | undefined },
): Promise<Socket> {
  dialled.push(target)
  const there = routes.get(target)
  if (there === undefined)
    throw Object.assign(new Error(`Nothing at ${target}`), { code: 'ECONNREFUSED' })
  const onread = reader === undefined ? {} : { onread: reader.attach() }
  const options = { host: '127.0.0.1', port: there, allowHalfOpen: true, noDelay: true, ...onread }
  const socket = connect(options)
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  await once(socket, 'connect')
  return socket
}
