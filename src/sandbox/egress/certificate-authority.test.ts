import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuthority } from './certificate-authority.ts'

const NOW = Date.parse('2026-06-01T00:00:00Z')
const DAY_MS = 86_400_000
const OPTIONS = { now: NOW, validMs: 2 * DAY_MS, names: [] }
const VALIDITY = { now: NOW, validMs: DAY_MS }

test('createAuthority() makes an authority that signs names and nothing else', () => {
  const authority = createAuthority('OpenExec test', OPTIONS)
  const root = new X509Certificate(authority.certificate)
  expect(root.ca).toBe(true)
  expect(root.verify(root.publicKey)).toBe(true)
  const { certificate, key } = authority.issue('api.example.test', VALIDITY)
  const leaf = new X509Certificate(certificate)
  expect(leaf.ca).toBe(false)
  expect(leaf.checkHost('api.example.test')).toBe('api.example.test')
  expect(leaf.checkHost('other.example.test')).toBeUndefined()
  expect(leaf.verify(root.publicKey)).toBe(true)
  expect(leaf.checkIssued(root)).toBe(true)
  expect(key).toContain('BEGIN PRIVATE KEY')
  expect(new Date(leaf.validTo).getTime()).toBe(NOW + DAY_MS)
  expect(new Date(root.validTo).getTime()).toBe(NOW + 2 * DAY_MS)
})

test('createAuthority() never makes the same key or number twice', () => {
  const [one, other] = [0, 1].map(() => createAuthority('OpenExec test', OPTIONS))
  expect(one?.certificate).not.toBe(other?.certificate)
  const names = ['a.test', 'a.test'].map(
    (name) => new X509Certificate(one?.issue(name, VALIDITY).certificate ?? ''),
  )
  expect(names[0]?.serialNumber).not.toBe(names[1]?.serialNumber)
})

test('createAuthority() writes dates after 2049 in the long form', () => {
  const now = Date.parse('2049-12-31T12:00:00Z')
  const late = createAuthority('OpenExec test', { ...OPTIONS, now })
  expect(new X509Certificate(late.certificate).validTo).toContain('2050')
})
