/**
 * The rules of `.dependency-cruiser.cjs` as a test. Two things the tool does not do are done here:
 * it is made sure that it saw every file, and imports of types alone are exempt where the rules
 * say so.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cruise, type ICruiseResult, type IViolation } from 'dependency-cruiser'
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options'
import { expect, test } from 'vitest'

/** Rules under which one may import a type, but no value. */
const ON_VALUES = new Set(['cli-is-a-client', 'app-is-built-at-the-edge', 'no-circular'])
const IMPORT = /^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'/gms

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
)

test('every import in src keeps to the layers', { timeout: 60_000 }, async () => {
  const options = await extractOptions('./.dependency-cruiser.cjs')
  const { output } = await cruise(['src'], options)
  // `cruise` gives text for every reporter but the default one, which gives this.
  const { modules, summary } = output as ICruiseResult

  // A cruiser that cannot read TypeScript finds nothing and so forbids nothing.
  const seen = modules.filter((module) => module.source.startsWith('src/'))
  expect(seen).toHaveLength(sources.length)
  expect(summary.violations.filter(counts).map(describe)).toEqual([])
})

test('an import of a type is told from an import of a value', () => {
  expect(importsValue("import type { A } from './a.ts'", 'src/x/y.ts', 'src/x/a.ts')).toBe(false)
  expect(importsValue("import {\n  A,\n} from './a.ts'", 'src/x/y.ts', 'src/x/a.ts')).toBe(true)
  expect(importsValue("export { A } from '../a.ts'", 'src/x/y.ts', 'src/a.ts')).toBe(true)
})

function counts({ rule, from, to, cycle }: IViolation): boolean {
  if (!ON_VALUES.has(rule.name)) return true
  const way = cycle === undefined ? [to] : cycle.map(({ name }) => name)
  return way.every((next, i) => {
    const before = i === 0 ? from : (way[i - 1] ?? from)
    return importsValue(readFileSync(before, 'utf8'), before, next)
  })
}

function importsValue(source: string, from: string, to: string): boolean {
  return [...source.matchAll(IMPORT)].some(
    ([, type, path]) => type === undefined && join(dirname(from), path ?? '') === to,
  )
}

function describe({ rule, from, to, cycle }: IViolation): string {
  const way = cycle === undefined ? [to] : cycle.map(({ name }) => name)
  return `${rule.name}: ${[from, ...way].join(' → ')}`
}
