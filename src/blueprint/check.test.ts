import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import { type Finding, OpenExecError } from '../schema/index.ts'
import { readBlueprint } from './read.ts'
import { RULES } from './rules.ts'

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/blueprints')
const bad = filesIn('bad')
const good = filesIn('good')

describe('readBlueprint() of the corpus', () => {
  test.each(bad)('readBlueprint() refuses bad/%s exactly as its header says', (_name, text) => {
    const found = findingsOf(text).map(({ code, line, column }) => `${code} ${line}:${column}`)
    expect(found).toEqual(expectedOf(text))
  })

  test.each(good)('readBlueprint() takes good/%s', (file, text) => {
    const { blueprint, plan, digest } = readBlueprint({ file, text }, testRegistry)
    expect(plan.stages.map(({ id }) => id)).toEqual(blueprint.stages.map(({ id }) => id))
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
  })

  test('the corpus breaks every rule of the checker, alone at least once', () => {
    const alone = bad.map(([, text]) => codesOf(text)).filter((codes) => new Set(codes).size === 1)
    expect(new Set(alone.flat())).toEqual(new Set([...alone.flat(), ...Object.keys(RULES)]))
  })
})

describe('readBlueprint()', () => {
  test('readBlueprint() tells all findings at once, each as file:line:column', () => {
    const text = textOf('many-problems.yaml')
    expect(() => readBlueprint({ file: 'my.yaml', text }, testRegistry)).toThrow(
      expect.objectContaining({
        code: 'blueprint_invalid',
        message: expect.stringMatching(
          /^Cannot read "my.yaml": 6 problems\nmy.yaml:6:11: Stage id "done" is reserved \[reserved_stage_id\]\n/,
        ),
      }),
    )
  })

  test.each([
    ['unknown-action-misspelled.yaml', 'did you mean "run_linters"?'],
    ['unknown-toolset.yaml', 'did you mean "coding_backend"?'],
    ['route-unknown-agent.yaml', 'did you mean "lint"?'],
    ['input-misspelled.yaml', 'did you mean "context_pack"?'],
    ['output-of-another-action.yaml', 'did you mean "lint_report"?'],
    ['route-unknown-failure.yaml', 'known: done, fail, lint'],
    ['unknown-action.yaml', 'known: apply_patch, build_context_pack'],
  ])('readBlueprint() suggests what %s may have meant', (name, hint) => {
    expect(findingsOf(textOf(name))[0]?.message).toContain(hint)
  })

  test.each([
    ['input-on-one-path.yaml', 'gather → lint → tests'],
    ['input-after-agent-failure.yaml', 'fix → (failed) → summary'],
    ['cycle-skip-edge.yaml', 'lint → tests → (skipped) → lint'],
    ['stage-execution-limit-too-low.yaml', 'lint → tests → summary → done'],
  ])('readBlueprint() shows the path that breaks %s', (name, path) => {
    expect(findingsOf(textOf(name))[0]?.message).toContain(path)
  })

  test('readBlueprint() takes routes to the nearest name for granted, so a typo is told once', () => {
    const text = blueprint(
      '{ id: lint, type: deterministic, action: run_linters, on_success: tets }',
      '{ id: other, type: deterministic, action: run_setup, on_success: done }',
      '{ id: tests, type: deterministic, action: run_tests, on_failure: other }',
    )
    expect(findingsOf(text).map(({ code }) => code)).toEqual(['unknown_route'])
  })

  test('readBlueprint() gives the same digest whatever the layout and comments', () => {
    const flow = blueprint('{ id: lint, type: deterministic, action: run_linters, timeout: 10m }')
    const block = `# x\n${blueprint('timeout: medium\n    action: run_linters\n    type: deterministic\n    id: lint')}`
    const digestOf = (text: string) => readBlueprint({ file: 'x', text }, testRegistry).digest
    expect(digestOf(block)).toBe(digestOf(flow))
    expect(digestOf(flow.replace('10m', '11m'))).not.toBe(digestOf(flow))
  })
})

describe('docs/blueprints.md', () => {
  const docs = readFileSync(join(FIXTURES, '../../../docs/blueprints.md'), 'utf8')
  const yaml = [...docs.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? '')

  test('docs/blueprints.md has a row for every code that the corpus and the rules know', () => {
    const codes = new Set([...Object.keys(RULES), ...bad.flatMap(([, text]) => codesOf(text))])
    for (const code of codes) expect(docs).toContain(`| \`${code}\` |`)
  })

  test('docs/blueprints.md shows only blueprints that pass', () => {
    expect(yaml.length).toBeGreaterThan(2)
    for (const text of yaml) expect(findingsOf(text)).toEqual([])
  })
})

function filesIn(folder: string): [name: string, text: string][] {
  return readdirSync(join(FIXTURES, folder))
    .sort()
    .map((name) => [name, readFileSync(join(FIXTURES, folder, name), 'utf8')])
}

function textOf(name: string): string {
  return readFileSync(join(FIXTURES, 'bad', name), 'utf8')
}

function blueprint(...stages: string[]): string {
  const list = stages.map((stage) => `  - ${stage}\n`).join('')
  return `version: 1\nname: x\ndescription: d\nstages:\n${list}`
}

/** The header of a bad file: `# expect: CODE LINE:COLUMN, …`. */
function expectedOf(text: string): string[] {
  return (/^# expect: (.*)\n/.exec(text)?.[1] ?? '').split(', ')
}

function codesOf(text: string): string[] {
  return expectedOf(text).map((each) => each.replace(/ .*/, ''))
}

function findingsOf(text: string): Finding[] {
  try {
    readBlueprint({ file: 'x.yaml', text }, testRegistry)
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    // Border cast: details are unknown by type, and findingsError() puts the findings there.
    return error.details?.['findings'] as Finding[]
  }
  return []
}
