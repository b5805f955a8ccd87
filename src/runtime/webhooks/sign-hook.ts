import { createHmac, randomBytes } from 'node:crypto'

/** What a receiver checks with; 256 random bits. */
export function newHookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64url')}`
}

/**
 * `t=<epoch seconds>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`, so that a receiver can refuse what was
 * caught and sent again later.
 */
export function signHook(secret: string, body: string, atMs: number): string {
  const seconds = Math.floor(atMs / 1000)
  const mac = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return `t=${seconds},v1=${mac}`
}
