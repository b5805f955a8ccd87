/** Whatever the value, and however a stream is cut, none of its twelve encodings comes through. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodingsOf, shapesOf } from '../../test/helpers/secret-shapes.ts'
import { createRedactor } from './redact.ts'

/** As varied as what people have for secrets; eight blanks are found in many places. */
const printable = fc
  .string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 12,
    maxLength: 60,
  })
  .filter((value) => new Set(value).size >= 8)
const noise = fc.uint8Array({ maxLength: 40 })
const input = fc.record({
  value: printable,
  which: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
  noise: fc.array(noise, { minLength: 7, maxLength: 7 }),
  places: fc.array(fc.nat(2_000), { maxLength: 40 }),
})

test('stream() and mask() let no encoding of a value through, however it is cut', () => {
  fc.assert(
    fc.property(input, ({ value, which, noise: between, places }) => {
      const [shapes, encodings] = [shapesOf(value), encodingsOf(value)]
      const parts = which.flatMap((one, i) => [
        Buffer.from(between[i] ?? []),
        encodings[one % encodings.length] ?? Buffer.alloc(0),
      ])
      const bytes = Buffer.concat(parts)
      const redactor = createRedactor([{ name: 'S', value }])
      const streamed = through(redactor.stream(), cut(bytes, places))
      const masked = through(redactor.mask(), cut(bytes, places))
      expect(masked).toHaveLength(bytes.length)
      for (const shape of shapes) {
        expect(streamed.includes(shape)).toBe(false)
        expect(masked.includes(shape)).toBe(false)
      }
    }),
    { seed: 20_260_601, numRuns: 400 },
  )
})

test('createRedactor() gives what holds no value back as it was', () => {
  const redactor = createRedactor([{ name: 'S', value: 'a-value-of-some-length' }])
  fc.assert(
    fc.property(noise, fc.array(fc.nat(60)), (bytes, places) => {
      const whole = Buffer.from(bytes)
      expect(redactor.bytes(whole)).toBe(whole)
      expect(through(redactor.stream(), cut(whole, places))).toEqual(whole)
    }),
    { seed: 7, numRuns: 300 },
  )
})

function through(
  stream: { write(chunk: Uint8Array): Uint8Array; end(): Uint8Array },
  chunks: readonly Buffer[],
): Buffer {
  // What a stream has given must not change when it is given more.
  const parts = chunks.map((chunk) => Buffer.from(stream.write(chunk)))
  return Buffer.concat([...parts, stream.end()])
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}
