/**
 * The server name in the first bytes a TLS client sends. The bytes are hostile: every length is
 * checked, and whatever is not one well-formed ClientHello with at most one name is said to be so.
 */

export type Hello =
  | { kind: 'more' }
  | { kind: 'not_tls' }
  | { kind: 'malformed' }
  | { kind: 'hello'; name: string | undefined; encrypted: boolean }

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
/** Encrypted ClientHello, its older name, and the extension the drafts used before. */
const ENCRYPTED: readonly number[] = [0xfe0d, 0xffce, 0xfe08, 0xfe09, 0xfe0a]
const RECORD_HEADER = 5
const RECORD_MAX = 16_640

/** Total: it never throws, whatever the bytes. */
export function readHello(bytes: Buffer): Hello {
  const handshake = handshakeBytes(bytes)
  if (!Buffer.isBuffer(handshake)) return { kind: handshake }
  if (handshake.length < 4) return { kind: 'more' }
  if (handshake[0] !== CLIENT_HELLO) return { kind: 'malformed' }
  const length = handshake.readUIntBE(1, 3)
  if (handshake.length < 4 + length) return { kind: 'more' }
  return helloOf(new Cursor(handshake.subarray(4, 4 + length)))
}

/** The handshake may be cut into many records. */
function handshakeBytes(bytes: Buffer): Buffer | 'more' | 'not_tls' | 'malformed' {
  const parts: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    const isTls = bytes[at] === HANDSHAKE && (at + 1 >= bytes.length || bytes[at + 1] === 3)
    if (!isTls) return at === 0 ? 'not_tls' : 'malformed'
    if (bytes.length < at + RECORD_HEADER) break
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0 || length > RECORD_MAX) return 'malformed'
    const part = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length)
    parts.push(part)
    const whole = Buffer.concat(parts)
    // What follows the ClientHello is not looked at.
    if (whole.length >= 4 && whole.length >= 4 + whole.readUIntBE(1, 3)) return whole
    if (part.length < length) break
    at += RECORD_HEADER + length
  }
  return parts.length === 0 ? 'more' : Buffer.concat(parts)
}

function helloOf(cursor: Cursor): Hello {
  cursor.skip(2 + 32)
  cursor.skip(cursor.uint(1))
  cursor.skip(cursor.uint(2))
  cursor.skip(cursor.uint(1))
  const extensions = new Cursor(cursor.take(cursor.uint(2)))
  if (cursor.isBroken || !cursor.isAtEnd) return { kind: 'malformed' }
  const seen = new Set<number>()
  let name: string | undefined
  while (!extensions.isAtEnd && !extensions.isBroken) {
    const type = extensions.uint(2)
    const body = extensions.take(extensions.uint(2))
    if (seen.has(type)) return { kind: 'malformed' }
    seen.add(type)
    if (type !== SERVER_NAME || extensions.isBroken) continue
    name = nameOf(new Cursor(body))
    if (name === undefined) return { kind: 'malformed' }
  }
  if (extensions.isBroken) return { kind: 'malformed' }
  return { kind: 'hello', name, encrypted: ENCRYPTED.some((type) => seen.has(type)) }
}

/** Exactly one host name, of nothing but printable ASCII. */
function nameOf(cursor: Cursor): string | undefined {
  const list = new Cursor(cursor.take(cursor.uint(2)))
  const type = list.uint(1)
  const name = list.take(list.uint(2))
  const isOne = cursor.isAtEnd && list.isAtEnd && !cursor.isBroken && !list.isBroken
  if (!isOne || type !== 0 || name.length === 0) return undefined
  return name.every((byte) => byte > 0x20 && byte < 0x7f) ? name.toString('latin1') : undefined
}

/** Reads forward; once it has run out of bytes it only gives zeros. */
class Cursor {
  isBroken = false
  #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) {
      this.isBroken = true
      this.#at = this.#bytes.length
      return Buffer.alloc(0)
    }
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  skip(length: number): void {
    this.take(length)
  }

  uint(size: number): number {
    const bytes = this.take(size)
    return bytes.length === size ? bytes.readUIntBE(0, size) : 0
  }
}
