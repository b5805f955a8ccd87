/** Repositories over https as their hosts serve them, by git's own back end; and hosts that mean no good. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { createAuthority } from '../../src/sandbox/egress/certificate-authority.ts'

export interface GitServer {
  port: number
  /** File with the authority that signed its certificate. */
  authorities: string
  /** `METHOD path?query` of every request, with what the client had for credentials. */
  seen: { line: string; authorization: string | undefined }[]
  /** Asked at each request. */
  onRequest(look: () => void): void
  [Symbol.asyncDispose](): Promise<void>
}

const HOST = 'git.test'
const VALIDITY = { now: Date.now(), validMs: 86_400_000 }

/** `/public/*` is for everybody, `/private/*` wants `token`; `/redirect/` leads to `elsewhere`, `/stall/` nowhere. */
export async function gitServer({
  root,
  token = '',
  elsewhere = '',
}: {
  root: string
  token?: string
  elsewhere?: string
}): Promise<GitServer> {
  const directory = mkdtempSync(join(tmpdir(), 'openexec-git-server-'))
  const authority = createAuthority('Test authority', { ...VALIDITY, names: [] })
  const { key, certificate } = authority.issue(HOST, VALIDITY)
  const authorities = join(directory, 'ca.pem')
  writeFileSync(authorities, authority.certificate)
  const seen: GitServer['seen'] = []
  let look = () => {}
  const server = createServer({ key, cert: certificate }, (request, response) => {
    const { authorization } = request.headers
    seen.push({ line: `${request.method} ${request.url}`, authorization })
    look()
    const [, kind = '', ...rest] = (request.url ?? '').split('/')
    if (kind === 'stall') return
    if (kind === 'redirect') {
      response.writeHead(302, { location: `${elsewhere}/${rest.join('/')}` }).end()
      return
    }
    const expected = `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`
    if (kind === 'private' && authorization !== expected)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
    else backEnd(request, response, { root, path: `/${rest.join('/')}` })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    // A TCP server has an address with a port.
    port: (server.address() as AddressInfo).port,
    authorities,
    seen,
    onRequest: (other) => (look = other),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function backEnd(
  request: IncomingMessage,
  response: ServerResponse,
  { root, path }: { root: string; path: string },
): void {
  const [info = '', query = ''] = path.split('?')
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      PATH_INFO: info,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const packed = request.headers['content-encoding'] === 'gzip'
  const body = packed ? request.pipe(createGunzip()) : request
  child.stdin.on('error', () => {})
  body.pipe(child.stdin)
  let head: Buffer | undefined = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    if (head === undefined) {
      response.write(chunk)
      return
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const lines = head.subarray(0, end).toString('latin1').split('\r\n')
    const headers = lines.map((line) => line.split(': ') as [string, string])
    const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200'
    response.writeHead(Number.parseInt(status, 10), headers.flat())
    response.write(head.subarray(end + 4))
    head = undefined
  })
  child.once('close', () => response.end())
}

/** Argument lists of every process of this machine, as anybody may read them. */
export function argumentLists(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
    .join('\n')
}
