/** Bytes that would make two paths of one line, or move a terminal's cursor. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const PLAIN = /^[^\u0000-\u001f\u007f-\u009f"\\\u2028\u2029]*$/u

/** A path as git lists it: as it is where that is unambiguous, else in quotes with C escapes. */
export function quotePath(bytes: Uint8Array): string {
  const text = strictText(bytes)
  if (text !== undefined && PLAIN.test(text)) return text
  return `"${Array.from(bytes, escape).join('')}"`
}

function strictText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const NAMED: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\u000b': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '"': '\\"',
  '\\': '\\\\',
}

function escape(byte: number): string {
  const character = String.fromCharCode(byte)
  const named = NAMED[character]
  if (named !== undefined) return named
  const printable = byte >= 0x20 && byte < 0x7f
  return printable ? character : `\\${byte.toString(8).padStart(3, '0')}`
}
