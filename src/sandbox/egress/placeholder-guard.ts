import { Transform } from 'node:stream'
import type { HeldSecret } from './credentials.ts'

/**
 * Passes a body on until a placeholder shows in it, in which case it ends with an error that names
 * the secret; nothing of the placeholder's end has been passed on then.
 */
export function placeholderGuard(secrets: readonly HeldSecret[]): Transform {
  const needles = secrets.map(({ name, placeholder }) => ({
    name,
    bytes: Buffer.from(placeholder),
  }))
  const keep = Math.max(0, ...needles.map(({ bytes }) => bytes.length - 1))
  let tail = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (needles.length === 0) return done(null, chunk)
      const seen = Buffer.concat([tail, chunk])
      const found = needles.find(({ bytes }) => seen.includes(bytes))
      if (found !== undefined) return done(new PlaceholderInBody(found.name))
      tail = Buffer.from(seen.subarray(Math.max(0, seen.length - keep)))
      done(null, chunk)
    },
  })
}

export class PlaceholderInBody extends Error {
  readonly secret: string

  constructor(secret: string) {
    super(`The body holds the placeholder of secret "${secret}"`)
    this.secret = secret
  }
}
