import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRedactor } from './redact.ts'

const value = 'hunter2-é/"+\\key&more'
const redactor = createRedactor([{ name: 'TOKEN', value }])

function streamed(chunks: readonly Uint8Array[], secrets = [{ name: 'S', value }]): string {
  const stream = createRedactor(secrets).stream()
  const parts = chunks.map((chunk) => Buffer.from(stream.write(chunk)))
  return Buffer.concat([...parts, stream.end()]).toString('latin1')
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end))
}

test.each([
  ['as it is', value],
  ['hex', Buffer.from(value).toString('hex')],
  ['upper-case hex', Buffer.from(value).toString('hex').toUpperCase()],
  ['encodeURIComponent', encodeURIComponent(value)],
  ['lower-case percent', encodeURIComponent(value).toLowerCase().replace('%c3%a9', '%c3%a9')],
  ['a form', new URLSearchParams({ a: value }).toString().slice(2)],
  ['JSON', JSON.stringify(value).slice(1, -1)],
  ['ASCII JSON', JSON.stringify(value).slice(1, -1).replace('é', '\\u00e9')],
])('createRedactor() finds a secret written as %s', (_, encoded) => {
  expect(redactor.text(`before ${encoded} after`)).toBe('before *** after')
})

test('createRedactor() finds base64 and base64url at every offset', () => {
  for (const before of ['', 'a', 'ab', 'abc', 'user:'])
    for (const encoding of ['base64', 'base64url'] as const) {
      const encoded = Buffer.from(`${before}${value}:tail`).toString(encoding)
      const shown = redactor.text(encoded)
      expect(shown).toContain('***')
      const left = shown.split('***').map((part) => Buffer.from(part, encoding).toString())
      expect(left.join('')).not.toContain(value.slice(2, -2))
    }
})

test('createRedactor() finds the lines of a key on their own', () => {
  const key = '-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nq7BFUpkGp3nzqCXy\n-----END KEY-----'
  const shown = createRedactor([{ name: 'KEY', value: key }]).text('> q7BFUpkGp3nzqCXy <')
  expect(shown).toBe('> *** <')
})

test('createRedactor() refuses a secret that would be found by chance', () => {
  expect(() => createRedactor([{ name: 'PIN', value: '1234567' }])).toThrow(
    'Cannot keep secret "PIN" out of logs: it has 7 bytes, expected 8 to 8192',
  )
})

test('json() redacts strings and keys at every depth and nothing else', () => {
  const before = { [value]: [{ a: `x${value}` }, 7, null, true], plain: 'text' }
  expect(redactor.json(before)).toEqual({ '***': [{ a: 'x***' }, 7, null, true], plain: 'text' })
  expect(createRedactor([]).json(before)).toBe(before)
})

test('stream() holds back only what may begin a secret', () => {
  const stream = createRedactor([{ name: 'S', value: 'secret-token' }]).stream()
  const show = (bytes: Uint8Array) => Buffer.from(bytes).toString()
  expect(show(stream.write(Buffer.from('login: ')))).toBe('login: ')
  expect(show(stream.write(Buffer.from('x sec')))).toBe('x ')
  expect(show(stream.write(Buffer.from('ond')))).toBe('second')
  expect(show(stream.write(Buffer.from(' secret-tok')))).toBe(' ')
  expect(show(stream.write(Buffer.from('en.')))).toBe('***.')
  expect(show(stream.write(Buffer.from('sec')))).toBe('')
  expect(show(stream.end())).toBe('sec')
})

test('stream() passes bytes that are no text unchanged', () => {
  const bytes = Buffer.from([0, 255, 254, 10, 128, 0xc3])
  expect(streamed([bytes.subarray(0, 3), bytes.subarray(3)])).toBe(bytes.toString('latin1'))
})

test('stream() gives the same however the bytes are cut, and never the secret', () => {
  // Few letters, so that secrets overlap with themselves, each other and the text around them.
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 8, maxLength: 12 })
  const input = fc.record({
    secrets: fc.array(letters, { minLength: 1, maxLength: 3 }),
    text: fc.array(fc.oneof(letters, fc.constant('aaaaaaaaaaaaaaaa'), fc.constant('.')), {
      maxLength: 8,
    }),
    places: fc.array(fc.nat(200), { maxLength: 12 }),
  })
  fc.assert(
    fc.property(input, ({ secrets, text, places }) => {
      const named = secrets.map((secret, i) => ({ name: `S${i}`, value: secret }))
      const bytes = Buffer.from([...text, ...secrets].join(''))
      const whole = streamed([bytes], named)
      expect(streamed(cut(bytes, places), named)).toBe(whole)
      for (const secret of secrets) expect(whole).not.toContain(secret)
    }),
  )
})
