import { expect, test } from 'vitest'
import { parseJUnit } from './parse-junit.ts'

const parse = (xml: string) => parseJUnit(Buffer.from(xml))

test('parseJUnit() reads suites, times and messages', () => {
  const report = parse(`<?xml version="1.0"?><testsuites><testsuite name="math">
    <testcase classname="m" name="adds" time="0.25"/>
    <testcase name="divides"><failure message="1 &lt; 2">at line 3</failure></testcase>
    <testcase name="later"><skipped/></testcase>
    <testcase name="crash"><error>boom</error></testcase>
  </testsuite></testsuites>`)
  expect(report).toEqual({
    ok: true,
    cases: [
      { suite: 'm', name: 'adds', status: 'passed', durationMs: 250 },
      {
        suite: 'math',
        name: 'divides',
        status: 'failed',
        message: '1 < 2\nat line 3',
        durationMs: 0,
      },
      { suite: 'math', name: 'later', status: 'skipped', durationMs: 0 },
      { suite: 'math', name: 'crash', status: 'error', message: 'boom', durationMs: 0 },
    ],
  })
})

test('parseJUnit() refuses entity declarations', () => {
  const bomb =
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'
  expect(parse(bomb)).toEqual({ ok: false, problem: 'it declares entities' })
})

test('parseJUnit() names what is not a report', () => {
  expect(parse('<html></html>')).toMatchObject({ ok: false })
  expect(parse('<testsuite')).toMatchObject({ ok: false })
  expect(parse('')).toMatchObject({ ok: false })
})

test('parseJUnit() keeps no long names of nested suites', () => {
  const names = `<testsuite name="${'n'.repeat(1990)}">`.repeat(31)
  const leaves = '<testsuite name="x"><testcase name="a"/></testsuite>'.repeat(2000)
  const parsed = parse(`${names}${leaves}${'</testsuite>'.repeat(31)}`)
  const suites = parsed.ok ? parsed.cases.map(({ suite }) => suite.length) : []
  expect(suites).toHaveLength(2000)
  expect(Math.max(...suites)).toBeLessThanOrEqual(500)
})
