/**
 * The byte sequences by which a secret shows itself: as it is, and in the encodings that tools put
 * text into. What a task transforms in any other way cannot be found; secrets that must never leave
 * do not enter a sandbox in the first place.
 */
import { OpenExecError } from '../schema/index.ts'

export interface Secret {
  name: string
  value: string
}

/** Below this, a value appears by chance too often to be replaced. */
const SECRET_BYTES_MIN = 8
const SECRET_BYTES_MAX = 8192

/** Distinct patterns, longest first. Throws `config_invalid` for a value that is too short or long. */
export function secretPatterns(secrets: readonly Secret[]): Buffer[] {
  const patterns = new Map<string, Buffer>()
  for (const secret of secrets) {
    checkSize(secret)
    for (const piece of [secret.value, ...linesOf(secret.value)])
      for (const pattern of encodingsOf(Buffer.from(piece), piece))
        patterns.set(pattern.toString('latin1'), pattern)
  }
  return [...patterns.values()].sort((a, b) => b.length - a.length)
}

function checkSize({ name, value }: Secret): void {
  const bytes = Buffer.byteLength(value)
  if (bytes >= SECRET_BYTES_MIN && bytes <= SECRET_BYTES_MAX) return
  throw new OpenExecError(
    'config_invalid',
    `Cannot keep secret "${name}" out of logs: it has ${bytes} bytes, expected ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX}`,
    { hint: 'Use a longer value, or take it out of `secrets`' },
  )
}

/** The lines of a key file are secrets of their own: programs print them one by one. */
function linesOf(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim())
  return lines.length === 1
    ? []
    : lines.filter((line) => Buffer.byteLength(line) >= SECRET_BYTES_MIN)
}

/**
 * Twelve: as it is, base64 and base64url (wherever it begins in a group of three), hex in lower and
 * in upper case, percent-encoded in upper and in lower case (and as forms do it), JSON, HTML, UTF-16
 * in both orders, and reversed.
 */
function encodingsOf(bytes: Buffer, text: string): Buffer[] {
  const base64 = [0, 1, 2].map((offset) => base64At(bytes, offset))
  const json = JSON.stringify(text).slice(1, -1)
  const percent = percentEncoded(bytes, /[A-Za-z0-9\-._~]/)
  const encoded = [
    ...base64,
    ...base64.map((part) => part.replaceAll('+', '-').replaceAll('/', '_')),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    json,
    json.replaceAll('/', '\\/'),
    asciiOnly(json),
    percent,
    lowerPercent(percent),
    // encodeURIComponent() and forms leave more as it is, or write a blank as "+".
    percentEncoded(bytes, /[A-Za-z0-9\-._~!'()*]/),
    percent.replaceAll('%20', '+'),
    ...htmlEncoded(text),
    Array.from(text).toReversed().join(''),
  ]
  const wide = Buffer.from(text, 'utf16le')
  return [bytes, ...encoded.map((one) => Buffer.from(one)), wide, Buffer.from(wide).swap16()]
}

/** What base64 makes of the bytes wherever they begin in a group of three, without the edges that depend on their neighbours. */
function base64At(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  const uncertainStart = offset === 0 ? 0 : offset + 1
  const uncertainEnd = [0, 3, 2][(offset + bytes.length) % 3] ?? 0
  return encoded.slice(uncertainStart, encoded.length - uncertainEnd)
}

function percentEncoded(bytes: Buffer, kept: RegExp): string {
  return [...bytes]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      const hex = byte.toString(16).toUpperCase().padStart(2, '0')
      return byte < 0x80 && kept.test(character) ? character : `%${hex}`
    })
    .join('')
}

const HTML: readonly Readonly<Record<string, string>>[] = [
  { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' },
  { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#x27;' },
  { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  { '&': '&amp;', '<': '&lt;', '>': '&gt;' },
]

/** As the usual libraries escape text and attributes. */
function htmlEncoded(text: string): string[] {
  return HTML.map((table) => text.replaceAll(/[&<>"']/g, (one) => table[one] ?? one))
}

function lowerPercent(text: string): string {
  return text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
}

function asciiOnly(text: string): string {
  return text.replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
