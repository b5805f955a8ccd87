import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, hashJson } from './json.ts'

test('canonicalJson() sorts keys by code unit at every level and leaves undefined members out', () => {
  const value = { b: 1, a: { z: null, Z: true, é: 'x', '10': 1, '9': 2 }, c: undefined }
  expect(canonicalJson(value)).toBe('{"a":{"10":1,"9":2,"Z":true,"z":null,"é":"x"},"b":1}')
})

test('canonicalJson() sorts surrogate pairs by code unit, not by code point', () => {
  expect(canonicalJson({ '\u{1F600}': 1, '\uFB33': 2 })).toBe('{"\u{1F600}":1,"\uFB33":2}')
})

test('canonicalJson() writes numbers as RFC 8785 does', () => {
  expect(canonicalJson([-0, 0.1, 1e-7, 9_007_199_254_740_991])).toBe(
    '[0,0.1,1e-7,9007199254740991]',
  )
})

test('canonicalJson() keeps a lone surrogate as an escape', () => {
  expect(canonicalJson('\uD800')).toBe('"\\ud800"')
})

test('canonicalJson() takes objects without a prototype and own __proto__ members', () => {
  expect(canonicalJson(Object.assign(Object.create(null), { a: 1 }))).toBe('{"a":1}')
  expect(canonicalJson(JSON.parse('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}')
})

test.each([
  ['NaN', Number.NaN],
  ['infinity', Number.POSITIVE_INFINITY],
  ['an inexact integer', 2 ** 53],
  ['undefined', undefined],
  ['undefined in a list', [undefined]],
  ['a hole', Object.assign([], { length: 1 })],
  ['a bigint', 1n],
  ['a function', () => 1],
  ['a symbol', Symbol('x')],
  ['a Date', new Date(0)],
  ['a Map', new Map([['a', 1]])],
  ['bytes', new Uint8Array([1])],
  ['an error', new Error('x')],
])('canonicalJson() refuses %s with a TypeError', (_name, value) => {
  expect(() => canonicalJson(value)).toThrow(TypeError)
  expect(() => canonicalJson({ member: [value ?? null, value] })).toThrow(TypeError)
})

test('canonicalJson() refuses cycles and hostile depth with a TypeError, not a stack overflow', () => {
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  expect(() => canonicalJson(cycle)).toThrow(TypeError)
  expect(() => canonicalJson(JSON.parse('['.repeat(5000) + ']'.repeat(5000)))).toThrow(TypeError)
})

test('canonicalJson() is read back as the same value and does not depend on the order of keys', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean())),
      (value) => {
        const text = canonicalJson(value)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        const reversed = Object.fromEntries(Object.entries(value).reverse())
        if (!Object.hasOwn(value, '__proto__')) expect(canonicalJson(reversed)).toBe(text)
      },
    ),
  )
})

test('hashJson() is the sha256 of the canonical text', () => {
  expect(hashJson({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  expect(hashJson({ a: 1, b: 2 })).toBe(hashJson({ b: 2, a: 1 }))
})
