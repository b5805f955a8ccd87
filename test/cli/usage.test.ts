/** What a person meets who types something: help, usage errors, the two streams. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorOf, openexec, testDirectory, testRepository } from '../helpers/cli.ts'

const COMMANDS = [
  'run',
  'ps',
  'show',
  'events',
  'logs',
  'diff',
  'apply',
  'merge',
  'branch',
  'fork',
  'artifacts',
  'compare',
  'cancel',
  'resume',
  'approve',
  'reject',
  'blueprint list',
  'blueprint check',
  'policy explain',
  'policy learn',
  'policy simulate',
  'policy check',
  'doctor',
  'gc',
]

test('--help of every command goes to stdout and holds an example', async () => {
  using place = testDirectory()
  const shown = await Promise.all(
    COMMANDS.map((words) => openexec([...words.split(' '), '--help'], { cwd: place.path })),
  )
  for (const [at, { code, stdout, stderr }] of shown.entries()) {
    expect({ code, stderr }, COMMANDS[at]).toEqual({ code: 0, stderr: '' })
    expect(stdout, COMMANDS[at]).toMatch(/Examples?:\n  openexec /)
  }
})

test('openexec without a command shows help on stderr as a usage error', async () => {
  using place = testDirectory()
  const { code, stdout, stderr } = await openexec([], { cwd: place.path })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  for (const command of COMMANDS) expect(stderr).toContain(command.split(' ')[0])
})

test.each([
  ['an unknown command', ['nonsense'], /unknown command 'nonsense'/, '`openexec --help`'],
  ['a misspelt command', ['polcy'], /unknown command 'polcy'/, 'Did you mean policy?'],
  ['an unknown option', ['run', '--jsno'], /unknown option '--jsno'/, 'Did you mean --json?'],
  ['a missing argument', ['show'], /missing required argument 'run'/, '`openexec show --help`'],
  ['too many arguments', ['ps', 'x'], /too many arguments/, '`openexec ps --help`'],
  [
    'an unknown mode',
    ['run', '--sandbox', 'god', '--', 'x'],
    /Allowed choices are read_only/,
    'help',
  ],
  ['nothing to run', ['run'], /Cannot run nothing/, 'openexec run check'],
  ['an empty command', ['run', '--'], /Cannot run an empty command/, 'openexec run -- npm test'],
  [
    '-- where no command belongs',
    ['show', 'run_1', '--', 'x'],
    /Cannot use -- with/,
    'show --help',
  ],
  ['a bad duration', ['run', '--timeout', '10', '--', 'x'], /--timeout "10": expected/, '90s, 10m'],
  ['a bad count', ['ps', '-n', '0'], /--limit "0": expected a whole number from 1 to 1000/, ''],
  [
    'a bad sequence number',
    ['events', 'run_1', '--after', '-1'],
    /argument missing|--after "-1"/,
    '',
  ],
  ['a bad status', ['ps', '--status', 'done'], /--status "done": expected one of queued/, ''],
  ['a bad age', ['gc', '--older-than', '5'], /--older-than "5": expected a duration/, '24h'],
  ['a bad run id', ['show', '../x'], /Cannot find run "..\/x": expected a run id/, '`openexec ps`'],
  [
    'an input without a value',
    ['run', '--input', 'patch', '--', 'x'],
    /expected name=value/,
    '@FILE',
  ],
  ['an input given twice', ['run', '--input', 'a=1', '--input', 'a=2', '--', 'x'], /"a" twice/, ''],
  ['an input file that is missing', ['run', '--input', 'a=@no', '--', 'x'], /no such file/, ''],
])('openexec refuses %s with one message and a way on', async (_what, args, message, hint) => {
  using repository = testRepository()
  const before = repository.digest()
  const { code, stdout, stderr } = await openexec(args, { cwd: repository.path })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(message)
  expect(stderr).toContain(hint)
  expect(stderr.match(/^error: /gm)).toHaveLength(1)
  expect(stderr).not.toMatch(/^ +at /m)
  expect(repository.digest()).toBe(before)
})

test('--json prints errors as one object on stdout and nothing on stderr', async () => {
  using place = testDirectory()
  const usage = await openexec(['ps', '--json', '--foo'], { cwd: place.path })
  expect(usage).toMatchObject({ code: 2, stderr: '' })
  expect(errorOf(usage)).toMatchObject({ code: 'bad_request' })
  const known = await openexec(['ps', '--json'], { cwd: place.path })
  expect(known).toMatchObject({ code: 2, stderr: '' })
  expect(errorOf(known)).toMatchObject({ code: 'repository_invalid', hint: expect.any(String) })
})

test('ps shows no runs where none was ever started, and makes nothing', async () => {
  using repository = testRepository()
  const before = repository.digest()
  const cwd = repository.path
  const words = await openexec(['ps'], { cwd })
  expect(words).toMatchObject({ code: 0, stdout: '' })
  expect(words.stderr).toContain('openexec run')
  expect(await openexec(['ps', '--json'], { cwd })).toEqual({
    code: 0,
    stdout: '{"runs":[]}\n',
    stderr: '',
  })
  expect((await openexec(['ps', '--state', 'nowhere'], { cwd })).code).toBe(2)
  expect(readdirSync(cwd)).toEqual(['.git', 'README.md'])
  expect(repository.digest()).toBe(before)
})

test('--json after -- belongs to the command and changes no output', async () => {
  using place = testDirectory()
  const { code, stdout, stderr } = await openexec(['run', '--', 'x', '--json'], { cwd: place.path })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^error: Cannot find a git repository/)
})

test('output into a pipe holds no colours, and results come alone on stdout', async () => {
  using place = testDirectory()
  const { code, stdout, stderr } = await openexec(['blueprint', 'list'], { cwd: place.path })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toContain('\u001b')
  expect(stdout.split('\n').map((line) => line.split(/\s/)[0])).toEqual([
    'NAME',
    'backend_bugfix',
    'check',
    'command',
    'debug_ci_failure',
    'mcp_tools',
    'scoped_code_change',
    '',
  ])
})

test('policy explain answers in words and as JSON without any repository', async () => {
  using place = testDirectory()
  const words = await openexec(['policy', 'explain', '--sandbox', 'read_only'], { cwd: place.path })
  expect(words.code).toBe(0)
  expect(words.stdout).toMatch(/^Mode read_only/)
  const json = await openexec(['policy', 'explain', '--json'], { cwd: place.path })
  expect(JSON.parse(json.stdout)).toMatchObject({
    mode: 'workspace_write',
    capabilities: expect.any(Array),
  })
})
