/** A value in twelve encodings, written down apart from the code that looks for them. */

/** What must be found nowhere: of base64, what is the same whatever stands before and behind. */
export function shapesOf(value: string): Buffer[] {
  return written(
    value,
    base64Groups(value).map((whole, i) => whole.slice(i === 0 ? 0 : 4, -4)),
  )
}

/** What a program may print. */
export function encodingsOf(value: string): Buffer[] {
  return written(value, base64Groups(value))
}

function base64Groups(value: string): string[] {
  return ['', 'a', 'ab'].map((before) => Buffer.from(before + value).toString('base64'))
}

function written(value: string, groups: readonly string[]): Buffer[] {
  const bytes = Buffer.from(value)
  const percent = [...bytes].map((byte) => {
    const one = String.fromCharCode(byte)
    return /[A-Za-z0-9\-._~]/.test(one) ? one : `%${byte.toString(16).padStart(2, '0')}`
  })
  const escape: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  const texts = [
    ...groups,
    ...groups.map((group) => group.replaceAll('+', '-').replaceAll('/', '_')),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    percent.join(''),
    percent.map((one) => (one.length > 1 ? one.toUpperCase() : one)).join(''),
    JSON.stringify(value).slice(1, -1),
    value.replaceAll(/[&<>"]/g, (one) => escape[one] ?? one),
    Array.from(value).toReversed().join(''),
  ]
  const wide = Buffer.from(value, 'utf16le')
  return [bytes, wide, Buffer.from(wide).swap16(), ...texts.map((text) => Buffer.from(text))]
}
