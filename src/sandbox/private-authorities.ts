/**
 * Certificate authorities this machine trusts and the world does not: companies that inspect TLS
 * have one. Without them nothing that speaks TLS works inside a sandbox or an image build, so they
 * are found, named to the user, and handed on. Public ones are left out: an image has its own.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { Environment } from './engine-addresses.ts'

export interface Authority {
  /** SHA-256 in lower-case hex without colons. */
  fingerprint: string
  /** One line, e.g. `O=Example, CN=Example Root`. */
  subject: string
  pem: string
}

export interface AuthoritySources {
  /** Files or folders in which every authority counts unless it is public. */
  trusted: readonly string[]
  /** Files or folders of public authorities, besides those Node ships. */
  known: readonly string[]
}

const BUNDLE_BYTES_MAX = 8 * 1024 * 1024
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Where the usual systems keep them. A source that does not exist is no error. */
export function authoritySources(env: Environment): AuthoritySources {
  const named = [env['SSL_CERT_FILE'], env['NODE_EXTRA_CA_CERTS']].filter(
    (file) => file !== undefined,
  )
  return {
    trusted: [
      ...named,
      '/usr/local/share/ca-certificates',
      '/etc/pki/ca-trust/source/anchors',
      '/etc/ca-certificates/trust-source/anchors',
    ],
    known: ['/usr/share/ca-certificates'],
  }
}

/** Private authorities in the order of their fingerprints; expired ones are left out. */
export function findPrivateAuthorities(sources: AuthoritySources, now: Date): Authority[] {
  const trusted = authoritiesIn(sources.trusted.flatMap(bundlesIn))
  if (trusted.size === 0) return []
  const known = authoritiesIn([...rootCertificates, ...sources.known.flatMap(bundlesIn)])
  return [...trusted]
    .filter(
      ([fingerprint, { ca, validTo }]) => !known.has(fingerprint) && ca && new Date(validTo) > now,
    )
    .map(([fingerprint, certificate]) => ({
      fingerprint,
      subject: certificate.subject.split('\n').join(', '),
      pem: certificate.toString(),
    }))
    .toSorted((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
}

function authoritiesIn(bundles: readonly string[]): Map<string, X509Certificate> {
  const found = new Map<string, X509Certificate>()
  for (const [pem] of bundles.flatMap((bundle) => [...bundle.matchAll(CERTIFICATE)])) {
    const certificate = parse(pem)
    if (certificate === undefined) continue
    found.set(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), certificate)
  }
  return found
}

/** Bundles hold certificates that OpenSSL refuses to read; those are nobody's authority here. */
function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

function bundlesIn(path: string): string[] {
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return readBundle(path)
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(crt|pem)$/.test(name))
    .flatMap((name) => readBundle(join(path, name)))
}

function readBundle(file: string): string[] {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.size > BUNDLE_BYTES_MAX) return []
  try {
    return [readFileSync(file, 'utf8')]
  } catch {
    return []
  }
}
