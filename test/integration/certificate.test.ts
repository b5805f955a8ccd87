import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificate.ts'

const NOW = Date.parse('2026-06-01T00:00:00Z')

test('createAuthority() makes an authority that signs names and nothing else', () => {
  const authority = createAuthority('OpenExec test', { now: NOW, days: 2 })
  const root = new X509Certificate(authority.certificate)
  expect(root.ca).toBe(true)
  expect(root.verify(root.publicKey)).toBe(true)
  const { certificate, key } = authority.issue('api.example.test')
  const leaf = new X509Certificate(certificate)
  expect(leaf.ca).toBe(false)
  expect(leaf.checkHost('api.example.test')).toBe('api.example.test')
  expect(leaf.checkHost('other.example.test')).toBeUndefined()
  expect(leaf.verify(root.publicKey)).toBe(true)
  expect(leaf.checkIssued(root)).toBe(true)
  expect(key).toContain('BEGIN PRIVATE KEY')
  expect(new Date(leaf.validTo).getTime()).toBe(NOW + 2 * 86_400_000)
})

test('createAuthority() never makes the same key or number twice', () => {
  const [one, other] = [0, 1].map(() => createAuthority('OpenExec test', { now: NOW, days: 1 }))
  expect(one?.certificate).not.toBe(other?.certificate)
  const names = ['a.test', 'a.test'].map(
    (name) => new X509Certificate(one?.issue(name).certificate ?? ''),
  )
  expect(names[0]?.serialNumber).not.toBe(names[1]?.serialNumber)
})

test('createAuthority() writes dates after 2049 in the long form', () => {
  const late = createAuthority('OpenExec test', {
    now: Date.parse('2049-12-31T12:00:00Z'),
    days: 1,
  })
  expect(new X509Certificate(late.certificate).validTo).toContain('2050')
})
