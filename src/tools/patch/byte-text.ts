/** Between bytes, ordinary text, and the byte strings (one character per byte) edits are made of. */

const BOM = '\u00EF\u00BB\u00BF'

export function byteString(content: Uint8Array | string): string {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export function toBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

/** For people: decoded as UTF-8, wrong bytes replaced. */
export function shown(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** Decoded as UTF-8; `undefined` when it is not valid. */
export function decoded(text: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(toBytes(text))
  } catch {
    return undefined
  }
}

/** A file as lines without `\n`, and whether the last line has one. */
export interface FileText {
  lines: readonly string[]
  finalNewline: boolean
  /** `crlf` when every line that ends, ends so. */
  eol: 'lf' | 'crlf' | 'mixed'
  bom: boolean
}

export function splitFile(text: string): FileText {
  const lines = text === '' ? [] : text.split('\n')
  const finalNewline = lines.at(-1) === ''
  if (finalNewline) lines.pop()
  const ended = finalNewline ? lines : lines.slice(0, -1)
  const withCr = ended.filter((line) => line.endsWith('\r')).length
  const eol = withCr === 0 ? 'lf' : withCr === ended.length ? 'crlf' : 'mixed'
  return { lines, finalNewline: finalNewline || lines.length === 0, eol, bom: hasBom(text) }
}

export function joinFile(lines: readonly string[], finalNewline: boolean): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}${finalNewline ? '\n' : ''}`
}

function hasBom(text: string): boolean {
  return text.startsWith(BOM)
}

export function withoutBom(text: string): string {
  return hasBom(text) ? text.slice(BOM.length) : text
}

export function withBom(text: string): string {
  return hasBom(text) ? text : `${BOM}${text}`
}

/** Without blanks of ASCII at the end. Byte strings may end in bytes that JavaScript takes for blanks. */
export function trimBlanksEnd(text: string): string {
  let end = text.length
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(0, end)
}

/** Without blanks of ASCII at both ends. */
export function trimBlanks(text: string): string {
  let start = 0
  while (start < text.length && isBlank(text.charCodeAt(start))) start += 1
  return trimBlanksEnd(text.slice(start))
}

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}
