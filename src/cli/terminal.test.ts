import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTerminalFilter, safeLine, safeText } from './terminal.ts'

const ESC = '\u001b'

function filter(...chunks: (string | Uint8Array)[]): string {
  const it = createTerminalFilter()
  return chunks.map((chunk) => it.push(Buffer.from(chunk))).join('') + it.end()
}

test('createTerminalFilter() keeps text, colours, tabs and line ends', () => {
  expect(filter(`a\tb\r\n${ESC}[1;31mred${ESC}[0m é`)).toBe(`a\tb\r\n${ESC}[1;31mred${ESC}[0m é`)
})

test('createTerminalFilter() keeps palettes whose number reads like another code', () => {
  const text = `${ESC}[38;5;8mgrey${ESC}[48;2;8;8;8mdark${ESC}[38:5:8mgrey${ESC}[m`
  expect(filter(text)).toBe(text)
})

test.each([
  ['window title', `${ESC}]0;evil\u0007x`],
  ['title ended by ST', `${ESC}]0;evil${ESC}\\x`],
  ['clipboard write', `${ESC}]52;c;ZXZpbA==\u0007x`],
  ['cursor movement', `${ESC}[2J${ESC}[1;1Hx`],
  ['device query', `${ESC}[6nx`],
  ['DCS', `${ESC}P+q544e${ESC}\\x`],
  ['C1 control', '\u009b2Jx'],
  ['character set', `${ESC}(0x`],
  ['hidden text', `${ESC}[8mx`],
  ['hidden text among colours', `${ESC}[1;38;5;8;08;31mx`],
  ['bell and backspace', '\u0007\bx'],
  ['direction override', '\u202ex'],
])('createTerminalFilter() removes a %s', (_name, text) => {
  expect(filter(text)).toMatch(/^(2J)?x$/)
})

test('createTerminalFilter() gives the same result however the bytes are cut', () => {
  const text = `a${ESC}[31mb${ESC}]0;t\u0007c${ESC}[2Jd€e`
  const whole = filter(text)
  const bytes = Buffer.from(text)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const points = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      const chunks = points.slice(1).map((end, i) => bytes.subarray(points[i], end))
      expect(filter(...chunks)).toBe(whole)
    }),
  )
})

test('createTerminalFilter() holds back a bounded piece of an endless sequence', () => {
  const it = createTerminalFilter()
  let shown = 0
  for (let i = 0; i < 100; i++)
    shown += it.push(Buffer.from(i === 0 ? `${ESC}]0;` : 'y'.repeat(100))).length
  expect(shown).toBeGreaterThan(9000)
})

test('safeLine() leaves one line without control characters', () => {
  expect(safeLine(`a\n${ESC}[31mb\u0000`)).toBe('a ␛[31mb')
})

test('safeText() keeps lines and nothing that moves, hides or rewrites', () => {
  expect(safeText(`a\r\n\tb${ESC}]0;x\u0007\rc\u009b2J\u202e`)).toBe('a\n\tb␛]0;xc2J')
})
