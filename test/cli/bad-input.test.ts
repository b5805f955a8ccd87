/** Whatever is wrong is told once, with its place and a remedy, and leaves nothing behind. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  countRuns,
  leftInRepository,
  openexec,
  testDirectory,
  testRepository,
} from '../helpers/cli.ts'

/** None of these mistakes needs an engine to be seen. */
const env = { DOCKER_HOST: 'unix:///nowhere/engine.sock' }

test.each([
  ['a directory that is no repository', [], /Cannot find a git repository at/, '--repo PATH'],
  ['a missing directory', ['--repo', 'no'], /no" *: there is no such directory/, '--repo'],
  ['a plain directory', ['--repo', '.'], /it is no git repository/, 'git init'],
])('run refuses %s and makes no state directory', async (_what, args, message, hint) => {
  using place = testDirectory()
  const cwd = place.path
  const { code, stdout, stderr } = await openexec(['run', ...args, '--', 'true'], { cwd, env })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(message)
  expect(stderr).toContain(hint)
  expect(readdirSync(cwd)).toEqual([])
})

test('run refuses a bare repository and puts nothing into it', async () => {
  using repository = testRepository()
  using place = testDirectory()
  repository.git('clone', '--quiet', '--bare', '.', join(place.path, 'bare.git'))
  for (const [cwd, args] of [
    [join(place.path, 'bare.git'), []],
    [place.path, ['--repo', 'bare.git']],
  ] as const) {
    const { code, stderr } = await openexec(['run', ...args, '--', 'true'], { cwd, env })
    expect(code).toBe(2)
    expect(stderr).toMatch(/it is a bare repository[\s\S]*git clone/)
  }
  expect(leftInRepository(repository)).toEqual([])
})

test('run refuses a repository without commits', async () => {
  using repository = testRepository()
  repository.git('update-ref', '-d', 'HEAD')
  const { code, stderr } = await openexec(['run', '--', 'true'], { cwd: repository.path, env })
  expect(code).toBe(2)
  expect(stderr).toMatch(/it has no commits[\s\S]*git commit/)
  expect(countRuns(repository)).toBe(0)
})

test.each([
  ['an unknown ref', ['--ref', 'nope', '--', 'true'], /Cannot find ref "nope"/, 'git branch'],
  ['an option as a ref', ['--ref=--help', '--', 'true'], /Cannot use ref "--help"/, ''],
  [
    'an unknown blueprint',
    ['nope'],
    /Cannot find blueprint "nope" \(known: backend_bugfix/,
    'list',
  ],
  ['a missing blueprint file', ['./no.yaml'], /no.yaml": there is no such file/, 'path'],
  ['a missing policy', ['--policy', 'no.yaml', '--', 'true'], /Cannot read policy ".*no.yaml"/, ''],
])('run refuses %s before there is a run', async (_what, args, message, hint) => {
  using repository = testRepository()
  const before = repository.digest()
  const { code, stdout, stderr } = await openexec(['run', ...args], { cwd: repository.path, env })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(message)
  expect(stderr).toContain(hint)
  expect(countRuns(repository)).toBe(0)
  expect(leftInRepository(repository)).toEqual([])
  expect(repository.digest()).toBe(before)
})

const stage = (text: string) =>
  `version: 1\nname: mine\ndescription: Mine\nstages:\n  - { id: a, type: deterministic, ${text} }\n`
const bomb = [
  'a0: &a0 [x, x]',
  ...Array.from({ length: 60 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`),
].join('\n')

const BAD_YAML: [string, string | Uint8Array, RegExp][] = [
  ['broken YAML', 'version: 1\nname: [\n', /bad.yaml:3:1: .* \[yaml_syntax\]/],
  ['a key given twice', 'version: 1\nversion: 1\n', /bad.yaml:2:1: Key "version" is given twice/],
  ['an alias bomb', bomb, /bad.yaml:1:5: Anchors and aliases are not allowed/],
  ['a huge file', `# ${'x'.repeat(3_000_000)}\n`, /larger than 65536 bytes/],
  ['wrong types', 'version: one\nstages: {}\n', /bad.yaml:1:10: "version": Expected 1/],
  ['an unknown key', 'version: 1\nshell: x\n', /bad.yaml:2:1: Unknown key "shell"/],
]

test.each([
  ...BAD_YAML,
  [
    'an unknown action',
    stage('action: run_test'),
    /5:43: Action "run_test" does not exist \(did you mean "run_tests"/,
  ],
  ['an unknown mode', stage('action: run_tests, sandbox: god'), /stages\[0\].sandbox.*read_only/],
  [
    'an unknown toolset',
    stage('action: x').replace('deterministic, action: x', 'agent, goal: g, toolset: no'),
    /Toolset "no" does not exist/,
  ],
] as [string, string | Uint8Array, RegExp][])(
  'a blueprint with %s is refused by run and by check alike',
  async (_what, text, message) => {
    using repository = testRepository()
    const file = join(repository.path, 'bad.yaml')
    writeFileSync(file, text)
    const cwd = repository.path
    const [run, check] = await Promise.all([
      openexec(['run', './bad.yaml'], { cwd, env }),
      openexec(['blueprint', 'check', 'bad.yaml'], { cwd, env }),
    ])
    for (const { code, stdout, stderr } of [run, check]) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(message)
      expect(stderr.split('\n').length).toBeLessThan(20)
    }
    expect(countRuns(repository)).toBe(0)
  },
)

test.each(BAD_YAML.slice(2))(
  'a policy with %s is refused by run and by check alike',
  async (_what, text, message) => {
    using repository = testRepository()
    writeFileSync(join(repository.path, 'bad.yaml'), text)
    const cwd = repository.path
    const [run, check] = await Promise.all([
      openexec(['run', '--policy', 'bad.yaml', '--', 'true'], { cwd, env }),
      openexec(['policy', 'check', 'bad.yaml'], { cwd, env }),
    ])
    for (const { code, stdout, stderr } of [run, check]) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(message)
    }
    expect(countRuns(repository)).toBe(0)
  },
)

test('policy check fails on an embedded test that does not hold', async () => {
  using place = testDirectory()
  const test = '{ request: { capability: git_push }, expect: allow }'
  writeFileSync(join(place.path, 'p.yaml'), `version: 1\ntests:\n  - ${test}\n`)
  const { code, stderr } = await openexec(['policy', 'check', 'p.yaml'], { cwd: place.path, env })
  expect(code).toBe(2)
  expect(stderr).toMatch(/p.yaml:3:.*allow.*block|p.yaml:3:.*block.*allow/)
})

test('an input that cannot be a text is refused by name', async () => {
  using repository = testRepository()
  writeFileSync(join(repository.path, 'fix.patch'), Buffer.from([0x61, 0xff]))
  const args = ['run', 'check', '--input', 'patch=@fix.patch']
  const { code, stderr } = await openexec(args, { cwd: repository.path, env })
  expect(code).toBe(2)
  expect(stderr).toMatch(/input "patch" from "fix.patch": it is not UTF-8 text/)
})
