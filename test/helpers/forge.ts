/**
 * Hosts that real programs log in to: a git repository, an npm registry, a Python index and an API,
 * over TLS. Who does not send the right credential gets 401 and nothing else.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { createSecureContext } from 'node:tls'
import { createAuthority } from '../../src/sandbox/egress/certificate-authority.ts'
import type { TestInternet } from './test-internet.ts'

export const FORGE_VALUE = 'forge-token-0a1b2c3d4e5f'
/** What each host wants to be sent. */
const LOGINS: Readonly<Record<string, string>> = {
  'git.test': `Basic ${Buffer.from(`robot:${FORGE_VALUE}`).toString('base64')}`,
  'npm.test': `Bearer ${FORGE_VALUE}`,
  'pypi.test': `Basic ${Buffer.from(`__token__:${FORGE_VALUE}`).toString('base64')}`,
  'api.test': `Token ${FORGE_VALUE}`,
}

export interface Forge extends AsyncDisposable {
  /** `host status` of each request, once. */
  answered: Set<string>
}

export async function openForge(internet: TestInternet): Promise<Forge> {
  const day = { now: Date.now(), validMs: 86_400_000 }
  const authority = createAuthority('Forge', { ...day, names: [] })
  internet.roots.push(authority.certificate)
  const root = fs.mkdtempSync(join(tmpdir(), 'openexec-forge-'))
  makeRepository(root)
  makePackages(root)
  const answered = new Set<string>()
  const server = createServer({
    SNICallback: (name, done) => {
      const { key, certificate } = authority.issue(name, day)
      done(null, createSecureContext({ key, cert: certificate }))
    },
  })
  server.on('request', (request, response) => {
    const { host = '', authorization } = request.headers
    const isKnown = authorization !== undefined && authorization === LOGINS[host]
    const path = normalize(decodeURIComponent((request.url ?? '').split('?')[0] ?? ''))
    const file = join(root, host, path.endsWith('/') ? `${path}index` : path)
    const index = fs.statSync(file, { throwIfNoEntry: false })?.isDirectory()
      ? join(file, 'index')
      : file
    const status = isKnown ? (fs.existsSync(index) ? 200 : 404) : 401
    answered.add(`${host} ${status}`)
    if (status !== 200) return void response.writeHead(status).end()
    const type = path.includes('.')
      ? 'application/octet-stream'
      : host === 'pypi.test'
        ? 'text/html'
        : 'application/json'
    response.writeHead(200, { 'content-type': type }).end(fs.readFileSync(index))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Listening on a port, never on a path.
  const { port } = server.address() as AddressInfo
  for (const [i, host] of Object.keys(LOGINS).entries()) {
    internet.names.set(host, () => [`20.0.2.${i + 1}`])
    internet.routes.set(`20.0.2.${i + 1}:443`, port)
  }
  return {
    answered,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      fs.rmSync(root, { recursive: true })
    },
  }
}

function makeRepository(root: string): void {
  const [work, bare] = [join(root, 'work'), join(root, 'git.test/repo.git')]
  fs.mkdirSync(work, { recursive: true })
  const git = (...words: string[]) => execFileSync('git', words, { cwd: work, stdio: 'pipe' })
  git('init', '--quiet', '--initial-branch=main')
  fs.writeFileSync(join(work, 'hello'), 'cloned\n')
  git('add', '.')
  git('-c', 'user.name=t', '-c', 'user.email=t@localhost', 'commit', '--quiet', '--message=one')
  execFileSync('git', ['clone', '--quiet', '--bare', work, bare], { stdio: 'pipe' })
  execFileSync('git', ['update-server-info'], { cwd: bare })
}

function makePackages(root: string): void {
  const pack = (place: string, name: string, files: Record<string, string>) => {
    for (const [file, text] of Object.entries(files)) {
      fs.mkdirSync(join(root, 'pack', file, '..'), { recursive: true })
      fs.writeFileSync(join(root, 'pack', file), text)
    }
    fs.mkdirSync(join(root, place), { recursive: true })
    execFileSync('tar', [
      '-czf',
      join(root, place, name),
      '-C',
      join(root, 'pack'),
      ...Object.keys(files),
    ])
    return fs.readFileSync(join(root, place, name))
  }
  const about = { name: 'told', version: '1.0.0' }
  const tarball = pack('npm.test/told', 'told-1.0.0.tgz', {
    'package/package.json': JSON.stringify(about),
    'package/index.js': "module.exports = 'installed'\n",
  })
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
  const dist = { tarball: 'https://npm.test/told/told-1.0.0.tgz', integrity }
  const versions = { '1.0.0': { ...about, dist } }
  const metadata = { name: 'told', 'dist-tags': { latest: '1.0.0' }, versions }
  fs.writeFileSync(join(root, 'npm.test/told/index'), JSON.stringify(metadata))
  pack('pypi.test/files', 'told-1.0.tar.gz', {
    'told-1.0/PKG-INFO': 'Metadata-Version: 2.1\nName: told\nVersion: 1.0\n',
    'told-1.0/setup.py': "from setuptools import setup\nsetup(name='told', version='1.0')\n",
  })
  fs.mkdirSync(join(root, 'pypi.test/simple/told'), { recursive: true })
  const link = '<a href="https://pypi.test/files/told-1.0.tar.gz">told-1.0.tar.gz</a>'
  fs.writeFileSync(join(root, 'pypi.test/simple/told/index'), link)
  fs.mkdirSync(join(root, 'api.test/v1'), { recursive: true })
  fs.writeFileSync(join(root, 'api.test/v1/me'), '{"me":"robot"}\n')
}
