import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { engineAddresses } from './engine-addresses.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'engine-addresses-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** Writes a Docker context as Docker's own client does. */
function writeContext(name: string, meta: unknown): void {
  const folder = createHash('sha256').update(name).digest('hex')
  mkdirSync(join(home, '.docker/contexts/meta', folder), { recursive: true })
  writeFileSync(join(home, '.docker/contexts/meta', folder, 'meta.json'), JSON.stringify(meta))
}

function writeConfig(text: string): void {
  mkdirSync(join(home, '.docker'), { recursive: true })
  writeFileSync(join(home, '.docker/config.json'), text)
}

test('engineAddresses() takes DOCKER_HOST and nothing else', () => {
  const env = { HOME: home, DOCKER_HOST: 'tcp://box:2375', DOCKER_CONTEXT: 'ignored' }
  expect(engineAddresses(env)).toEqual([
    { endpoint: 'tcp://box:2375', source: 'DOCKER_HOST', tlsFolder: undefined },
  ])
})

test('engineAddresses() wants TLS only when DOCKER_TLS_VERIFY says so', () => {
  const env = { HOME: home, DOCKER_HOST: 'tcp://box:2376', DOCKER_CERT_PATH: '/certs' }
  expect(engineAddresses(env)[0]?.tlsFolder).toBeUndefined()
  expect(engineAddresses({ ...env, DOCKER_TLS_VERIFY: '1' })[0]?.tlsFolder).toBe('/certs')
})

test("engineAddresses() takes the current context of Docker's settings", () => {
  writeConfig('{"currentContext":"desktop-linux","auths":{}}')
  writeContext('desktop-linux', { Endpoints: { docker: { Host: 'unix:///desk.sock' } } })
  expect(engineAddresses({ HOME: home })).toEqual([
    { endpoint: 'unix:///desk.sock', source: 'context "desktop-linux"', tlsFolder: undefined },
  ])
})

test('engineAddresses() lets DOCKER_CONTEXT override the settings', () => {
  writeConfig('{"currentContext":"default"}')
  writeContext('other', { Endpoints: { docker: { Host: 'unix:///other.sock' } } })
  const env = { HOME: home, DOCKER_CONTEXT: 'other' }
  expect(engineAddresses(env)[0]?.endpoint).toBe('unix:///other.sock')
})

test('engineAddresses() refuses a context that does not exist', () => {
  expect(() => engineAddresses({ HOME: home, DOCKER_CONTEXT: 'gone' })).toThrow(
    /Cannot use Docker context "gone"/,
  )
})

test('engineAddresses() refuses settings that are no JSON and names the file', () => {
  writeConfig('{')
  expect(() => engineAddresses({ HOME: home })).toThrow(
    /Cannot read Docker's settings ".*config.json"/,
  )
})

test('engineAddresses() lists the usual sockets, the system one first', () => {
  const addresses = engineAddresses({ HOME: home, XDG_RUNTIME_DIR: '/run/user/7' })
  const endpoints = addresses.map(({ endpoint }) => endpoint)
  expect(endpoints[0]).toBe('unix:///var/run/docker.sock')
  expect(endpoints).toContain('unix:///run/user/7/docker.sock')
  expect(endpoints).toContain('unix:///run/user/7/podman/podman.sock')
  expect(endpoints).toContain(`unix://${home}/.docker/run/docker.sock`)
})
