/** A value in twelve encodings, written down apart from the code that looks for them. */
export function shapesOf(value: string): Buffer[] {
  const bytes = Buffer.from(value)
  const groups = ['', 'a', 'ab'].map((before) => {
    const whole = Buffer.from(before + value).toString('base64')
    // What is the same whatever stands before and behind.
    return whole.slice(before.length === 0 ? 0 : 4, -4)
  })
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
