/**
 * A certificate authority that lives in memory: it signs for single hosts, within the names it was
 * made for, and for a short time. Its private key is in no file, and goes with the object.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { boolean, commonName, integer, oid, sequence, time, tlv } from './der.ts'

interface Certified {
  /** PKCS 8, PEM */
  key: string
  /** PEM */
  certificate: string
}

export interface CertificateAuthority {
  /** PEM; what clients are told to trust. */
  certificate: string
  /** A certificate for one DNS name. */
  issue(name: string, validity: { now: number; validMs: number }): Certified
}

export interface AuthorityOptions {
  /** Epoch `ms` */
  now: number
  validMs: number
  /** Names it may sign for, each with what is below it; all when empty. Never addresses. */
  names: readonly string[]
}

/** Clocks inside and outside are one, but a container may be started a moment before. */
const BACKDATED_MS = 3_600_000

const OID = {
  ecdsaWithSha256: [1, 2, 840, 10045, 4, 3, 2],
  subjectKeyId: [2, 5, 29, 14],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  nameConstraints: [2, 5, 29, 30],
  authorityKeyId: [2, 5, 29, 35],
  extendedKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
} as const

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

/** A fresh authority on P-256. `subject` is what people see as a certificate's issuer. */
export function createAuthority(
  subject: string,
  { now, validMs, names }: AuthorityOptions,
): CertificateAuthority {
  const keys = newKeys()
  const keyId = keyIdOf(keys.publicKey)
  const certificate = certify({
    issuer: subject,
    subject,
    keys,
    signer: keys.privateKey,
    validity: { from: now - BACKDATED_MS, to: now + validMs },
    extensions: [
      extension(OID.basicConstraints, true, sequence(boolean(true), integer(Buffer.from([0])))),
      // Signs certificates and nothing else.
      extension(OID.keyUsage, true, tlv(0x03, Buffer.from([2, 0x04]))),
      extension(OID.subjectKeyId, false, tlv(0x04, keyId)),
      ...(names.length === 0 ? [] : [extension(OID.nameConstraints, true, constraints(names))]),
    ],
  })
  return {
    certificate,
    issue(host, validity) {
      const own = newKeys()
      const leaf = certify({
        issuer: subject,
        subject: host,
        keys: own,
        signer: keys.privateKey,
        validity: { from: validity.now - BACKDATED_MS, to: validity.now + validity.validMs },
        extensions: [
          extension(OID.basicConstraints, true, sequence()),
          extension(OID.keyUsage, true, tlv(0x03, Buffer.from([7, 0x80]))),
          extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
          extension(OID.subjectAltName, false, sequence(dnsName(host))),
          extension(OID.authorityKeyId, false, sequence(tlv(0x80, keyId))),
        ],
      })
      const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' })
      return { key: String(key), certificate: leaf }
    },
  }
}

function newKeys(): Pair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

interface CertificateParts {
  issuer: string
  subject: string
  keys: Pair
  signer: KeyObject
  /** Epoch `ms` */
  validity: { from: number; to: number }
  extensions: readonly Buffer[]
}

function certify(parts: CertificateParts): string {
  const { issuer, subject, keys, signer, validity, extensions } = parts
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const serial = randomBytes(16)
  // Positive, and of the length it was made with.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    commonName(issuer),
    sequence(time(validity.from), time(validity.to)),
    commonName(subject),
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = tlv(0x03, Buffer.from([0]), sign('sha256', body, signer))
  const base64 = sequence(body, algorithm, signature).toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${base64.trimEnd()}\n-----END CERTIFICATE-----\n`
}

function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}

function extension(id: readonly number[], isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), tlv(0x04, value))
}

function dnsName(host: string): Buffer {
  return tlv(0x82, Buffer.from(host, 'latin1'))
}

/** Permits the names, and excludes every address of either family. */
function constraints(names: readonly string[]): Buffer {
  const permitted = names.map((name) => sequence(dnsName(name)))
  const addresses = [8, 32].map((length) => sequence(tlv(0x87, Buffer.alloc(length))))
  return sequence(tlv(0xa0, ...permitted), tlv(0xa1, ...addresses))
}
