import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseRepoUrl, Tenant } from '../schema/index.ts'
import { credentialFor, isNamedHost, readGitSettings } from './git-settings.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-git-settings-')))
afterAll(() => rmSync(base, { recursive: true }))

function settingsOf(text: string) {
  const path = join(base, 'config.yaml')
  writeFileSync(path, text)
  return readGitSettings({ path, named: true })
}

const tenant = Tenant.parse('default')
const url = parseRepoUrl('https://git.corp.test/a')
const ssh = parseRepoUrl('ssh://git.corp.test/a')

test('readGitSettings() has nothing where there is no file, and beside other settings', () => {
  const none = { hosts: [], credentials: [] }
  expect(readGitSettings({ path: join(base, 'nothing.yaml'), named: false })).toEqual(none)
  expect(settingsOf('model: ollama/x\n')).toEqual(none)
})

test.each([
  ['an unknown key', 'git: { host: [a] }'],
  ['an address for a host', 'git: { hosts: ["https://git.corp.test"] }'],
  ['a variable of any name', 'git: { credentials: [{ host: a, env: AWS_SECRET_ACCESS_KEY }] }'],
  ['a path from nowhere', 'git: { credentials: [{ host: a, file: token }] }'],
  [
    'a tenant that is none',
    'git: { credentials: [{ host: a, env: OPENEXEC_GIT_A, tenants: [] }] }',
  ],
])('readGitSettings() refuses %s', (_what, text) => {
  expect(() => settingsOf(text)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
})

test('isNamedHost() means the usual port unless another is named', () => {
  const settings = settingsOf('git: { hosts: [git.corp.test, "other.test:8443"] }')
  const named = (text: string) => isNamedHost(settings, parseRepoUrl(text))
  expect(named('https://git.corp.test/a')).toBe(true)
  expect(named('ssh://git.corp.test/a')).toBe(true)
  expect(named('https://git.corp.test:8443/a')).toBe(false)
  expect(named('https://other.test:8443/a')).toBe(true)
  expect(named('https://other.test/a')).toBe(false)
  expect(named('https://git.corp.test.evil.test/a')).toBe(false)
})

test('credentialFor() gives credentials to the operator alone unless tenants are named', () => {
  const text = 'git: { credentials: [{ host: git.corp.test, env: OPENEXEC_GIT_A }] }'
  const tokens = { OPENEXEC_GIT_A: 'word' }
  const settings = settingsOf(text)
  expect(credentialFor(settings, { url, tenant, tokens })).toEqual({
    kind: 'https',
    user: 'x-access-token',
    token: 'word',
  })
  const other = Tenant.parse('acme')
  expect(credentialFor(settings, { url, tenant: other, tokens })).toBeUndefined()
  expect(credentialFor(settings, { url: ssh, tenant, tokens })).toBeUndefined()
  expect(() => credentialFor(settings, { url, tenant, tokens: {} })).toThrow('is not set')
})

test('credentialFor() reads a file that holds a token and nothing else', () => {
  const file = join(base, 'token')
  const settings = settingsOf(`git: { credentials: [{ host: git.corp.test, file: ${file} }] }`)
  const read = () => credentialFor(settings, { url, tenant, tokens: {} })
  expect(read).toThrow('cannot be read')
  writeFileSync(file, 'word\n')
  expect(read()).toMatchObject({ token: 'word' })
  writeFileSync(file, 'two\nlines\n')
  expect(read).toThrow('holds no token')
})

test('credentialFor() wants to know the key of an ssh host', () => {
  const key = join(base, 'key')
  writeFileSync(key, '')
  const keyed = (more: string) =>
    settingsOf(`git: { credentials: [{ host: git.corp.test, ssh_key: ${key}${more} }] }`)
  const of = (more: string) => credentialFor(keyed(more), { url: ssh, tenant, tokens: {} })
  expect(() => of('')).toThrow('no known_hosts')
  expect(() => of(', known_hosts: /nowhere/at/all')).toThrow('there is no file')
  expect(of(`, known_hosts: ${key}`)).toMatchObject({ kind: 'ssh', key, knownHosts: key })
})
