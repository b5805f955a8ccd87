import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Blueprint } from './blueprint.ts'
import { OpenExecError } from './errors.ts'
import { PolicyFile } from './policy.ts'
import { parseYaml, YAML_BYTES_MAX } from './yaml.ts'

const Anything = z.unknown()

describe('parseYaml() of good files', () => {
  test('parseYaml() returns the value and where each part stands', () => {
    const { value, locate } = parse('a: 1\nb:\n  - x\n  - { c: 2 }\n')
    expect(value).toEqual({ a: 1, b: ['x', { c: 2 }] })
    expect(locate(['a'])).toEqual({ line: 1, column: 4 })
    expect(locate(['b', 1, 'c'])).toEqual({ line: 4, column: 10 })
    expect(locate(['b', 1, 'absent'])).toEqual({ line: 4, column: 5 })
    expect(locate([])).toEqual({ line: 1, column: 1 })
  })

  test('parseYaml() reads YAML 1.2: yes and on are text, and so are keys such as on', () => {
    const text = 'on: yes\noff: no\noctal: 010\nhex: 0x1f\ndate: 2024-01-01\nempty:\n'
    expect(parse(text).value).toEqual({
      on: 'yes',
      off: 'no',
      octal: 10,
      hex: 31,
      date: '2024-01-01',
      empty: null,
    })
  })

  test('parseYaml() takes CRLF, a byte order mark and tabs between values', () => {
    const { value, locate } = parse('\uFEFFa:\t1\r\nb: two\r\n')
    expect(value).toEqual({ a: 1, b: 'two' })
    expect(locate(['a'])).toEqual({ line: 1, column: 4 })
    expect(locate(['b'])).toEqual({ line: 2, column: 4 })
  })

  test('parseYaml() takes escapes for what may not stand there as it is', () => {
    expect(parse('a: "\\u202E\\0"').value).toEqual({ a: '\u202E\0' })
  })

  test('parseYaml() takes what only looks like an alias, a tag or an indicator', () => {
    const text =
      'a: x*y\nb: "&x"\nc: b!c\nd: "-"\ne: |\n  *a !b &c\n  ? d\n  - - -\nf: a?b # & * !\n'
    expect(parse(text).value).toMatchObject({ a: 'x*y', b: '&x', c: 'b!c', d: '-', f: 'a?b' })
  })

  test('parseYaml() takes an empty document as null', () => {
    expect(parse('').value).toBeNull()
    expect(parse('# nothing\n').value).toBeNull()
  })
})

describe('parseYaml() of attacks', () => {
  const BOMB = `a: &a [x,x]\n${'bcdefgh'.replaceAll(/./g, (c) => `${c}: &${c} [*a,*a,*a]\n`)}`
  const MERGE = 'a: 1\nb:\n  <<: { c: 1 }\n'
  test.each([
    ['an alias', 'a: &x 1\nb: *x', 'yaml_alias', 1, 4],
    ['an alias bomb', BOMB, 'yaml_alias', 1, 4],
    ['an anchor', 'a: &x 1', 'yaml_alias', 1, 4],
    ['an alias to itself', 'a: &a [*a]', 'yaml_alias', 1, 4],
    ['a merge key', MERGE, 'yaml_key', 3, 3],
    ['a duplicate key', 'a: 1\nb: 2\na: 3', 'yaml_duplicate_key', 3, 1],
    ['a duplicate key in quotes', 'a: 1\n"a": 3', 'yaml_duplicate_key', 2, 1],
    ['a nested duplicate key', 'a: { b: 1, c: 2, b: 3 }', 'yaml_duplicate_key', 1, 18],
    ['__proto__', 'a:\n  __proto__: { x: 1 }', 'yaml_key', 2, 3],
    ['an escaped __proto__', '"\\x5f_proto__": 1', 'yaml_key', 1, 1],
    ['constructor', 'constructor: 1', 'yaml_key', 1, 1],
    ['a number as key', '1: a', 'yaml_key', 1, 1],
    ['a list as key', '[a, b]: 1', 'yaml_key', 1, 1],
    ['an explicit key', '? a\n: 1', 'yaml_key', 1, 1],
    ['a custom tag', 'a: !js/function x', 'yaml_tag', 1, 4],
    ['a core tag', 'a: !!str 1', 'yaml_tag', 1, 4],
    ['binary', 'a: !!binary aGk=', 'yaml_tag', 1, 4],
    ['a YAML 1.1 directive', '%YAML 1.1\n---\na: yes', 'yaml_directive', 1, 1],
    ['a tag directive', '%TAG ! tag:x,2000:\n---\na: b', 'yaml_directive', 1, 1],
    ['two documents', 'a: 1\n---\nb: 2', 'yaml_syntax', 2, 1],
    ['a tab as indentation', 'a:\n\tb: 1', 'yaml_syntax', 2, 1],
    ['a bracket too many', 'a: [1]]', 'yaml_syntax', 1, 7],
    ['an unclosed quote', 'a: "b\n', 'yaml_syntax', 2, 1],
    ['NUL', 'a: b\0c', 'yaml_character', 1, 5],
    ['an escape sequence', 'a: \u001B[2J', 'yaml_character', 1, 4],
    ['a lone carriage return', 'a: 1\rb: 2', 'yaml_character', 1, 5],
    ['a right-to-left override', 'a: 1\nb: "\u202Ex"', 'yaml_character', 2, 5],
    ['a lone surrogate', 'a: "\uD800"', 'yaml_character', 1, 5],
    ['infinity', 'a: .inf', 'yaml_number', 1, 4],
    ['not a number', 'a: [1, .nan]', 'yaml_number', 1, 8],
    ['an overflowing number', 'a: 1e999', 'yaml_number', 1, 4],
    ['an inexact integer', 'a: 12345678901234567890', 'yaml_number', 1, 4],
    ['deep lists', 'a: ' + '['.repeat(40) + ']'.repeat(40), 'yaml_too_deep', 1, 36],
    ['deep maps', '{a: '.repeat(40) + '1' + '}'.repeat(40), 'yaml_too_deep', 1, 129],
    ['deep compact lists', '- '.repeat(40), 'yaml_too_deep', 1, 65],
    ['deep blocks', indented(40), 'yaml_too_deep', 33, 33],
  ])('parseYaml() refuses %s', (_name, text, code, line, column) => {
    expect(findings(text)[0]).toMatchObject({ code, line, column })
  })

  test('parseYaml() takes 32 levels, not 33', () => {
    expect(() => parse('['.repeat(32) + ']'.repeat(32))).not.toThrow()
    expect(() => parse('['.repeat(33) + ']'.repeat(33))).toThrow(/32 levels/)
    expect(() => parse(indented(32))).not.toThrow()
    expect(() => parse(indented(33))).toThrow(/32 levels/)
  })

  test.each([
    ['open lists', '['.repeat(65_000)],
    ['closed lists', '['.repeat(32_000) + ']'.repeat(32_000)],
    ['open maps', '{a: '.repeat(16_000)],
    ['compact lists', '- '.repeat(32_000)],
    ['nested explicit keys', '? '.repeat(32_000)],
    ['many keys', Array.from({ length: 9000 }, (_, i) => `k${i}:`).join('\n')],
    ['many flow keys', `{${Array.from({ length: 13_000 }, (_, i) => i.toString(36)).join()}}`],
    ['many anchors', '&a '.repeat(20_000)],
    ['many directives', '%\n'.repeat(30_000)],
    ['many errors', '}'.repeat(60_000)],
    ['many quotes', '"'.repeat(60_000)],
    ['many documents', '---\n'.repeat(16_000)],
    ['spaces', ' '.repeat(65_000)],
    ['stairs', indented(350)],
  ])(
    'parseYaml() is done with %s in bounded time, whatever it says',
    (_name, text) => {
      const start = performance.now()
      try {
        parse(text)
      } catch (error) {
        expect(error).toBeInstanceOf(OpenExecError)
        expect(String(error).length).toBeLessThan(12_000)
      }
      expect(performance.now() - start).toBeLessThan(15_000)
    },
    60_000,
  )

  test('parseYaml() refuses a file over the limit before it looks at it', () => {
    expect(() => parse('a'.repeat(YAML_BYTES_MAX + 1))).toThrow(/larger than 65536 bytes/)
    expect(() => parse('é'.repeat(YAML_BYTES_MAX / 2 + 1))).toThrow(/larger than 65536 bytes/)
    expect(() => parse('a'.repeat(YAML_BYTES_MAX))).not.toThrow()
  })

  test('parseYaml() lets no control character of the file into its message', () => {
    const text = '"\\e[2J\\u202E\\n": 1\n'
    const [finding] = findings(text, z.strictObject({ a: z.string().optional() }))
    expect(finding?.message).toContain('Unknown key "\\u001b[2J\\u202e\\u000a"')
  })

  test('parseYaml() gives no object another prototype', () => {
    const { value } = parse('a: { toString: 1, hasOwnProperty: 2 }')
    expect(Object.keys(Object(value))).toEqual(['a'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  })
})

describe('parseYaml() of wrong shapes', () => {
  const HEAD = 'version: 1\nname: x\ndescription: d\nstages:\n'
  const POLICY = 'version: 1\nsecrets:\n  - { name: A, from: env, hosts: [x], as: '

  test('parseYaml() tells every problem at once, sorted by place', () => {
    const found = findings(
      `${HEAD}  - { id: A, type: agent, retry_limit: x }\nextra: 1\n`,
      Blueprint,
    )
    expect(found.map(({ code, line, column }) => [code, line, column])).toEqual([
      ['missing_key', 5, 5],
      ['invalid_value', 5, 11],
      ['wrong_type', 5, 40],
      ['unknown_key', 6, 1],
    ])
  })

  test.each([
    [
      'a misspelled key',
      '  - { id: a, type: agent, goal: x, on_sucess: a }',
      'unknown_key',
      /Unknown key "on_sucess" in "stages\[0\]" \(known: approval_required, goal, .*on_success/,
    ],
    [
      'a key of the other kind of stage',
      '  - { id: a, type: agent, goal: x, action: a }',
      'unknown_key',
      /\(known: (?!action)/,
    ],
    [
      'an unknown kind of stage',
      '  - { id: a, type: shell }',
      'invalid_value',
      /'deterministic' \| 'agent'/,
    ],
    [
      'no kind of stage',
      '  - { id: a }',
      'missing_key',
      /Missing key "type" in "stages\[0\]": .*'agent'/,
    ],
    [
      'a missing key',
      '  - { id: a, type: agent }',
      'missing_key',
      /Missing key "goal" in "stages\[0\]": Expected string$/,
    ],
    [
      'a wrong type',
      '  - { id: a, type: agent, goal: [x] }',
      'wrong_type',
      /"stages\[0\].goal": Expected string, received array/,
    ],
    [
      'a timeout',
      '  - { id: a, type: agent, goal: x, timeout: 10x }',
      'invalid_value',
      /"stages\[0\].timeout": Expected fast, medium, long or a duration .*got "10x"/,
    ],
    [
      'a stage that is text',
      '  - a',
      'wrong_type',
      /"stages\[0\]": Expected object, received string/,
    ],
  ])('parseYaml() explains %s', (_name, stage, code, message) => {
    const [finding] = findings(HEAD + stage, Blueprint)
    expect(finding?.code).toBe(code)
    expect(finding?.message).toMatch(message)
    expect(finding?.line).toBe(5)
  })

  test('parseYaml() speaks for the branch of a union that fits best', () => {
    expect(findings(`${POLICY}{ header: 1 } }`, PolicyFile)[0]?.message).toMatch(
      /"secrets\[0\].as.header": Expected string, received number/,
    )
    expect(findings(`${POLICY}x }`, PolicyFile)[0]?.message).toMatch(
      /"secrets\[0\].as": Expected object, received string; or Expected object/,
    )
  })

  test('parseYaml() says it of a document that is no map', () => {
    expect(findings('', Blueprint)[0]).toMatchObject({ code: 'wrong_type', line: 1, column: 1 })
    expect(findings('- a', Blueprint)[0]?.message).toMatch(/^the document: Expected object/)
  })

  test('parseYaml() throws the code it is given, with a head line and one line per finding', () => {
    expect(() =>
      parseYaml({ file: 'x.yaml', text: 'b: 1' }, z.strictObject({}), 'policy_invalid'),
    ).toThrow(
      expect.objectContaining({
        code: 'policy_invalid',
        message:
          'Cannot read "x.yaml": 1 problem\nx.yaml:1:1: Unknown key "b" in the document [unknown_key]',
      }),
    )
  })
})

function parse(text: string, schema: z.ZodType = Anything) {
  return parseYaml({ file: 'x.yaml', text }, schema, 'blueprint_invalid')
}

interface Found {
  code: string
  message: string
  line: number
  column: number
}

function findings(text: string, schema: z.ZodType = Anything): Found[] {
  try {
    parse(text, schema)
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    // Border cast: details are unknown by type, and parseYaml() puts the findings there.
    return error.details?.['findings'] as Found[]
  }
  throw new Error('Expected findings')
}

function indented(levels: number): string {
  return (
    Array.from({ length: levels }, (_, i) => `${' '.repeat(i)}a:\n`).join('') +
    ' '.repeat(levels) +
    'b'
  )
}

test('parseYaml() is quick on thousands of unknown keys', () => {
  const text = Array.from({ length: 7000 }, (_, index) => `k${index}: 1\n`).join('')
  const started = performance.now()
  expect(() =>
    parseYaml({ file: 'x', text }, z.strictObject({ a: z.number() }), 'config_invalid'),
  ).toThrow('Unknown key "k0"')
  expect(performance.now() - started).toBeLessThan(10_000)
})
