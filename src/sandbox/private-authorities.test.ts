import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authoritySources, findPrivateAuthorities } from './private-authorities.ts'

const now = new Date('2027-01-01')
/** Valid for a hundred years; its key exists nowhere. */
const EXAMPLE_ROOT = `-----BEGIN CERTIFICATE-----
MIIBqTCCAU+gAwIBAgIUZm6mH+OKJxFe4Vyqhi3jDO/QVFIwCgYIKoZIzj0EAwIw
KTEQMA4GA1UECgwHRXhhbXBsZTEVMBMGA1UEAwwMRXhhbXBsZSBSb290MCAXDTI2
MTEyMjE0NDkwOFoYDzIxMjYxMDI5MTQ0OTA4WjApMRAwDgYDVQQKDAdFeGFtcGxl
MRUwEwYDVQQDDAxFeGFtcGxlIFJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAS0xQuaMo7uCFVkDOGHnrEd91moPWsTtAXJGKfIk0b0D4TVdEfpBD8Vg0KB0B5T
71V3k1hnU0d1fJLozSN7j5E4o1MwUTAdBgNVHQ4EFgQUPqVIJm+t9YrjeLMh+6me
bWs/jUkwHwYDVR0jBBgwFoAUPqVIJm+t9YrjeLMh+6mebWs/jUkwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAWBw9DJLxT7UlyFihQEfFA4UXA1dBl
TlWC2+WGNq8b6gIhAM+nbPwFV3H6L8wX9YqJXY6x9veVr5xQTP9ZAwvG/k9w
-----END CERTIFICATE-----
`

let folder = ''
let authority = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'private-authorities-'))
  authority = join(folder, 'authority.crt')
  writeFileSync(authority, EXAMPLE_ROOT)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('findPrivateAuthorities() finds the one that is not public in a whole bundle', () => {
  const bundle = join(folder, 'bundle.pem')
  writeFileSync(bundle, [EXAMPLE_ROOT, ...rootCertificates.slice(0, 5)].join('\n'))
  const found = findPrivateAuthorities({ trusted: [bundle], known: [] }, now)
  expect(found.map(({ subject }) => subject)).toEqual(['O=Example, CN=Example Root'])
  expect(found[0]?.fingerprint).toMatch(/^[0-9a-f]{64}$/)
})

test('findPrivateAuthorities() names one found in several places once', () => {
  const sources = { trusted: [authority, folder, authority], known: [] }
  expect(findPrivateAuthorities(sources, now)).toHaveLength(1)
})

test('findPrivateAuthorities() leaves out what the system calls public, and expired ones', () => {
  const known = join(folder, 'known')
  mkdirSync(known, { recursive: true })
  writeFileSync(join(known, 'example.crt'), EXAMPLE_ROOT)
  expect(findPrivateAuthorities({ trusted: [authority], known: [known] }, now)).toEqual([])
  const later = new Date('2200-01-01')
  expect(findPrivateAuthorities({ trusted: [authority], known: [] }, later)).toEqual([])
})

test('findPrivateAuthorities() passes over missing files and what is no certificate', () => {
  const nonsense = join(folder, 'nonsense.pem')
  writeFileSync(nonsense, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const sources = { trusted: [nonsense, join(folder, 'missing')], known: [] }
  expect(findPrivateAuthorities(sources, now)).toEqual([])
})

test('authoritySources() reads the variables that name a bundle', () => {
  const { trusted } = authoritySources({ SSL_CERT_FILE: '/a.pem', NODE_EXTRA_CA_CERTS: '/b.pem' })
  expect(trusted).toContain('/a.pem')
  expect(trusted).toContain('/b.pem')
})
