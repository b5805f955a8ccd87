/**
 * An authority for TLS servers of tests, and what it signs for single names. Just enough DER for
 * that.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

interface Certified {
  /** PKCS 8, PEM */
  key: string
  /** PEM */
  certificate: string
}

export interface Authority {
  /** PEM; what clients are told to trust. */
  certificate: string
  /** A certificate for one DNS name or address. */
  issue(name: string): Certified
}

const DAY_MS = 86_400_000
/** Clocks inside and outside are one, but a container may be started a moment before. */
const BACKDATED_MS = 3_600_000

const OID = {
  ecdsaWithSha256: [1, 2, 840, 10045, 4, 3, 2],
  commonName: [2, 5, 4, 3],
  subjectKeyId: [2, 5, 29, 14],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  authorityKeyId: [2, 5, 29, 35],
  extendedKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
} as const

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

/** A fresh authority. `name` is what people see in a certificate's issuer. */
export function createAuthority(
  name: string,
  { now, days }: { now: number; days: number },
): Authority {
  const keys = newKeys()
  const validity = { from: now - BACKDATED_MS, to: now + days * DAY_MS }
  const keyId = keyIdOf(keys.publicKey)
  const certificate = certify({
    issuer: name,
    subject: name,
    keys,
    signer: keys.privateKey,
    validity,
    extensions: [
      extension(OID.basicConstraints, true, sequence(boolean(true), integer(Buffer.from([0])))),
      // Signs certificates and nothing else.
      extension(OID.keyUsage, true, tlv(0x03, Buffer.from([2, 0x04]))),
      extension(OID.subjectKeyId, false, tlv(0x04, keyId)),
    ],
  })
  return {
    certificate,
    issue(host) {
      const own = newKeys()
      const leaf = certify({
        issuer: name,
        subject: host,
        keys: own,
        signer: keys.privateKey,
        validity,
        extensions: [
          extension(OID.basicConstraints, true, sequence()),
          extension(OID.keyUsage, true, tlv(0x03, Buffer.from([7, 0x80]))),
          extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
          extension(OID.subjectAltName, false, sequence(tlv(0x82, Buffer.from(host, 'latin1')))),
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
    nameOf(issuer),
    sequence(time(validity.from), time(validity.to)),
    nameOf(subject),
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

function nameOf(text: string): Buffer {
  // A common name holds 64 characters; the full name is in the extension.
  const value = tlv(0x0c, Buffer.from(text.slice(0, 64)))
  return sequence(tlv(0x31, sequence(oid(OID.commonName), value)))
}

function extension(id: readonly number[], isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), tlv(0x04, value))
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d{3}/g, '')
  // Years before 2050 have the shorter form.
  const isShort = text < '2050'
  return tlv(isShort ? 0x17 : 0x18, Buffer.from(isShort ? text.slice(2) : text))
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = rest.flatMap((each) => {
    const groups = [each & 0x7f]
    for (let left = each >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes)
}

function boolean(value: boolean): Buffer {
  return tlv(0x01, Buffer.from([value ? 0xff : 0]))
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts)
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
