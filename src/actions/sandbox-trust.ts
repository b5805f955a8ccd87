/**
 * Makes programs of one sandbox trust the authority of its run: a bundle of what the image trusts
 * and that authority, and the variables by which programs find it. Only the gateway has the key, and
 * it can sign for the hosts it stands in for and no other.
 */
import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { OpenExecError } from '../schema/index.ts'
import type { RunSide, Sandbox } from '../sandbox/index.ts'

const DIRECTORY = '/home/agent/.openexec'
/** Where the usual images keep what they trust; the first that is there counts. */
const STORES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
const STORE_BYTES_MAX = 4 * 1024 * 1024
const READ_MS = 10_000
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/** What commands find in their environment; nothing where no request has to be seen. */
export async function trustIn(
  sandbox: Sandbox,
  { authority, credentials }: RunSide,
): Promise<Record<string, string>> {
  if (authority === undefined) return {}
  const own = `${DIRECTORY}/run-ca.pem`
  const bundle = `${DIRECTORY}/ca-bundle.pem`
  const roots = await imageRoots(sandbox)
  const whole = [...(roots.length === 0 ? rootCertificates : roots), authority.certificate]
  await sandbox.writeFile(own, Buffer.from(authority.certificate), { mode: 0o444 })
  await sandbox.writeFile(bundle, Buffer.from(`${whole.join('\n')}\n`), { mode: 0o444 })
  const placeholders = credentials.secrets.map(({ name, placeholder }): [string, string] => [
    `OPENEXEC_SECRET_${name}`,
    placeholder,
  ])
  return {
    SSL_CERT_FILE: bundle,
    CURL_CA_BUNDLE: bundle,
    GIT_SSL_CAINFO: bundle,
    REQUESTS_CA_BUNDLE: bundle,
    PIP_CERT: bundle,
    CARGO_HTTP_CAINFO: bundle,
    AWS_CA_BUNDLE: bundle,
    // Node adds it to the authorities it ships.
    NODE_EXTRA_CA_CERTS: own,
    ...Object.fromEntries(placeholders),
  }
}

/** What comes from the image is parsed; a store that cannot be read is none. */
async function imageRoots(sandbox: Sandbox): Promise<string[]> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    await sandbox.exec({
      argv: ['sh', '-c', 'for f; do if [ -s "$f" ]; then exec cat "$f"; fi; done', 'sh', ...STORES],
      env: {},
      cwd: '/tmp',
      timeoutMs: READ_MS,
      stdin: new Uint8Array(),
      signal: AbortSignal.timeout(READ_MS),
      onOutput(stream, chunk) {
        if (stream !== 'stdout' || size > STORE_BYTES_MAX) return
        size += chunk.length
        chunks.push(chunk)
      },
    })
  } catch (error) {
    // An image without a shell has its roots elsewhere, if at all.
    if (error instanceof OpenExecError && error.code === 'command_not_startable') return []
    throw error
  }
  if (size > STORE_BYTES_MAX) return []
  const text = Buffer.concat(chunks).toString('latin1')
  return [...text.matchAll(CERTIFICATE)].map(([pem]) => pem).filter(isCertificate)
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca
  } catch {
    return false
  }
}
