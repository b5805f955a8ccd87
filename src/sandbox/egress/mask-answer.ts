/** Keeps secrets out of what a host answers that was sent them: header values, and bodies as they pass. */
import { Transform } from 'node:stream'
import type { HeaderPairs, RunCredentials } from './credentials.ts'

interface Head {
  statusMessage: string
  headers: HeaderPairs
}

export function maskHeaders(credentials: RunCredentials, { statusMessage, headers }: Head): Head {
  const clean = (text: string) => masked(credentials, text)
  return {
    statusMessage: clean(statusMessage),
    headers: headers.map(([name, value]) => [clean(name), clean(value)] as const),
  }
}

/** As many bytes come out as go in, so that the length that was announced stays true. */
export function maskAnswer(credentials: RunCredentials): Transform {
  const mask = credentials.mask()
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, mask.write(chunk)),
    flush: (done) => done(null, mask.end()),
  })
}

/** Headers are bytes to HTTP, one for each character. */
function masked(credentials: RunCredentials, text: string): string {
  const mask = credentials.mask()
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([mask.write(bytes), mask.end()]).toString('latin1')
}
