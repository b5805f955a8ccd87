/**
 * Holds the documents against the sources: what they name exists, and what the sources have they
 * name. Documents are read as text; a table row is a line that begins with `| `.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { RULES } from '../../src/blueprint/rules.ts'
import {
  ArtifactType,
  ERROR_TABLE,
  EventType,
  exitCodeOf,
  Reason,
  RunStatus,
  Verdict,
} from '../../src/schema/index.ts'

/** Made by tools, or not ours. */
const LEFT_OUT = new Set([
  '.git',
  '.demo',
  '.openexec',
  '.openexec-dev',
  'coverage',
  'dist',
  'node_modules',
])

const files = filesBelow('.')
const documents = files.filter((file) => file.endsWith('.md'))
const text = (file: string): string => readFileSync(file, 'utf8')

test('the documents are there to be checked', () => {
  const wanted = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'docs/security.md',
    'docs/limitations.md',
    'docs/runs.md',
  ]
  expect(documents).toEqual(expect.arrayContaining(wanted))
})

test('ARCHITECTURE.md has a row for every folder of src, and each row a folder', () => {
  const named = rows(section('ARCHITECTURE.md', 'The map')).map(([first]) => codes(first)[0])
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(new Set(named)).toEqual(new Set(folders.map(({ name }) => name)))
})

test('ARCHITECTURE.md names where to start in each folder', () => {
  for (const [first, , , start] of rows(section('ARCHITECTURE.md', 'The map'))) {
    const places = codes(start).map((file) => join('src', codes(first)[0] ?? '', file))
    expect(places.filter((place) => !existsSync(place))).toEqual([])
    expect(places).not.toEqual([])
  }
})

test('ARCHITECTURE.md shows the layers of .dependency-cruiser.cjs in their order', () => {
  const layers = /const LAYERS = \[([^\]]*)\]/.exec(text('.dependency-cruiser.cjs'))?.[1] ?? ''
  const names = [...layers.matchAll(/'([a-z]+)'/g)].map(([, name]) => name)
  expect(names).toContain('runtime')
  expect(section('ARCHITECTURE.md', 'The layers')).toContain(names.join(' → '))
})

test('ARCHITECTURE.md names only functions that exist', () => {
  const sources = files.filter((file) => /^src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'))
  const source = sources.map(text).join('\n')
  const named = codes(text('ARCHITECTURE.md')).flatMap((code) => /(\w+)\(\)$/.exec(code)?.[1] ?? [])
  expect(named).not.toEqual([])
  expect(named.filter((name) => !isDefined(name, source))).toEqual([])
})

test('every invariant and every control names the test that proves it', () => {
  for (const row of rows(section('ARCHITECTURE.md', 'Invariants')))
    expect(codes(row.at(-1)).filter(isTest), row[0]).not.toEqual([])
  for (const row of rows(section('docs/security.md', 'What is enforced')))
    expect(codes(row.at(-1)).filter(isTest), row[0]).not.toEqual([])
})

test.each(documents)('%s names only files that exist', (document) => {
  const named = [...new Set(codes(withoutBlocks(text(document))).filter(isPath))]
  expect(
    named.filter((path) => !existsSync(path) && !existsSync(join(dirname(document), path))),
  ).toEqual([])
})

test.each(documents)('%s links to files and headings that exist', (document) => {
  const links = [...withoutBlocks(text(document)).matchAll(/\]\(([^)\s]+)\)/g)].map(
    ([, to = '']) => to,
  )
  const relative = links.filter((to) => !/^[a-z]+:/.test(to))
  expect(relative.filter((to) => !resolves(document, to))).toEqual([])
})

test.each(documents)('%s names only npm scripts that exist', (document) => {
  const { scripts } = packageJson()
  const named = [...text(document).matchAll(/npm run ([a-z][a-z-]*)/g)].map(([, name = '']) => name)
  // A sample may show scripts of its own repository.
  const foreign = ['lint']
  expect(
    [...new Set(named)].filter((name) => !(name in scripts) && !foreign.includes(name)),
  ).toEqual([])
})

test('README.md names the test command', () => {
  expect(text('README.md')).toContain('npm test')
  expect(packageJson().scripts).toHaveProperty('test')
})

test('docs/blueprints.md has a row for every rule of the checker', () => {
  expect(missing(Object.keys(RULES), firstColumn(text('docs/blueprints.md')))).toEqual([])
})

test('docs/runs.md lists every event type, and no other', () => {
  expect(firstColumn(section('docs/runs.md', 'The timeline')).sort()).toEqual(
    [...EventType.options].sort(),
  )
})

test('docs/runs.md lists every reason with the status and exit code it has', () => {
  const told = rows(section('docs/runs.md', 'Reasons')).map(([reason, , status, exit]) => ({
    reason: Reason.parse(codes(reason)[0]),
    status: RunStatus.parse(codes(status)[0]),
    exit: Number(exit),
  }))
  expect(told.map(({ reason }) => reason)).toEqual(Reason.options)
  expect(told.map(({ reason, status }) => exitCodeOf({ reason, status }))).toEqual(
    told.map(({ exit }) => exit),
  )
})

test('docs/runs.md lists every status with its exit code', () => {
  const told = rows(section('docs/runs.md', 'States'))
  expect(new Set(told.map(([status]) => codes(status)[0]))).toEqual(new Set(RunStatus.options))
  for (const [status, , exit] of told)
    expect(Number.parseInt(exit ?? '', 10), status).toBe(
      exitCodeOf({ status: RunStatus.parse(codes(status)[0]), reason: undefined }),
    )
})

test('docs/runs.md lists every verdict', () => {
  expect(firstColumn(section('docs/runs.md', 'Verdicts of a stage')).sort()).toEqual(
    [...Verdict.options].sort(),
  )
})

test('docs/runs.md lists every error code with its exit code', () => {
  const told = rows(section('docs/runs.md', 'What is refused before there is a run')).flatMap(
    ([names, , exit]) => codes(names).map((name): [string, number] => [name, Number(exit)]),
  )
  const table = Object.entries(ERROR_TABLE).map(([code, { exit }]): [string, number] => [
    code,
    exit,
  ])
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(table))
})

test('docs/runs.md names every exit code there is', () => {
  const all = [
    ...Object.values(ERROR_TABLE).map(({ exit }) => exit),
    ...Reason.options.map((reason) => exitCodeOf({ status: 'failed', reason })),
    ...RunStatus.options.map((status) => exitCodeOf({ status, reason: undefined })),
  ]
  const told = [...text('docs/runs.md').matchAll(/\| (\d+)(?:,[^|]*)? \|$/gm)].map(([, code]) =>
    Number(code),
  )
  expect(missing([...new Set(all)], told)).toEqual([])
})

test('docs/runs.md names an artifact of every type that runs make', () => {
  const told = section('docs/runs.md', 'Artifacts')
  const byType: Partial<Record<ArtifactType, string>> = {
    output: '.stdout',
    report: 'setup_report',
    tool_output: '<tool>-output',
    transcript: 'transcript-<stage>',
  }
  expect(
    ArtifactType.options.filter((type) => !told.includes(byType[type] ?? `\`${type}\``)),
  ).toEqual([])
})

test('no file names the host of a package registry', () => {
  // Put together here, so that this file does not name them either.
  const hosts = [
    ['registry', 'npmjs', 'org'],
    ['registry', 'yarnpkg', 'com'],
    ['pypi', 'org'],
    ['files', 'pythonhosted', 'org'],
    ['proxy', 'golang', 'org'],
    ['static', 'crates', 'io'],
    ['repo', 'maven', 'apache', 'org'],
    ['rubygems', 'org'],
    ['ghcr', 'io'],
    ['quay', 'io'],
  ].map((parts) => parts.join('.'))
  const found = files.flatMap((file) => {
    const content = text(file)
    return hosts.filter((host) => content.includes(host)).map((host) => `${file}: ${host}`)
  })
  expect(found).toEqual([])
})

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (LEFT_OUT.has(entry.name) || entry.isSymbolicLink()) return []
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

function packageJson(): { scripts: Record<string, string> } {
  // Our own file; a wrong shape fails the tests that use it.
  return JSON.parse(text('package.json')) as { scripts: Record<string, string> }
}

/** The text from a heading of level two to the next one. */
function section(document: string, heading: string): string {
  const [, after] = text(document).split(`\n## ${heading}\n`)
  if (after === undefined) throw new Error(`Cannot find heading "${heading}" in ${document}`)
  return after.split('\n## ')[0] ?? ''
}

/** Cells of all table rows but the head. */
function rows(markdown: string): string[][] {
  const lines = markdown.split('\n')
  return lines.flatMap((line, i) => {
    const isHead = /^\|[-| ]+\|$/.test(lines[i + 1] ?? '')
    if (!line.startsWith('| ') || isHead) return []
    return [
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim()),
    ]
  })
}

function firstColumn(markdown: string): string[] {
  return rows(markdown).flatMap(([first]) => codes(first))
}

/** What stands between backticks. */
function codes(markdown: string | undefined): string[] {
  return [...(markdown ?? '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
}

/** A function, or a member of an interface or object. */
function isDefined(name: string, source: string): boolean {
  return new RegExp(`function\\*? ${name}\\b|^ +(?:async )?${name}(?:[(<]|: [^,]*=>)`, 'm').test(
    source,
  )
}

function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '')
}

function isTest(path: string): boolean {
  return /^(?:src|test|scripts)\/.*\.test\.ts$/.test(path) && existsSync(path)
}

/** A path of this repository: patterns, commands and places in a sandbox are none. */
function isPath(code: string): boolean {
  return /^(?:src|test|scripts|docs|bin|bench|blueprints|migrations|sandbox-images)\/[\w./-]*$/.test(
    code,
  )
}

function resolves(document: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? document : normalize(join(dirname(document), path))
  if (!existsSync(target)) return false
  return anchor === undefined || headings(target).includes(anchor)
}

/** Headings as the anchors a browser of repositories makes of them. */
function headings(document: string): string[] {
  const lines = withoutBlocks(text(document)).split('\n')
  return lines.flatMap((line) => {
    const heading = /^#+ (.*)$/.exec(line)?.[1]
    if (heading === undefined) return []
    return [
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ]
  })
}

function missing<T>(wanted: readonly T[], there: readonly T[]): T[] {
  return wanted.filter((each) => !there.includes(each))
}
