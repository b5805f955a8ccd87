/**
 * What code in a sandbox can try against the run that watches it: its verdict, its time, its memory,
 * the terminal of whoever looks on, and the parsers that read what it reports.
 */
import { spawnSync } from 'node:child_process'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { hostileRepository } from '../helpers/hostile-repository.ts'

const MEGABYTE = 1024 * 1024
const ESCAPE = 0x1b

dockerTest('no exit, signal or kill makes a failure look like a success', async () => {
  await using repository = hostileRepository()
  const attempts: [string, object][] = [
    ['exit 255', { status: 'failed', reason: 'exit_nonzero', exit_code: 1 }],
    ['exit 124', { status: 'failed', reason: 'exit_nonzero', exit_code: 1 }],
    ['kill -SEGV $$', { status: 'failed', reason: 'exit_nonzero' }],
    // PID 1 is the supervisor; it hears nothing that comes from inside.
    ['for s in TERM KILL INT STOP HUP USR1; do kill -$s 1; done; exit 9', { status: 'failed' }],
    ['kill -9 -1; exit 0', { status: 'failed' }],
    // The warden answers for the group; without it nothing of the command goes on.
    ['kill -9 $PPID; sleep 5; exit 0', { status: 'failed' }],
    ['kill -STOP $PPID; exit 3', { status: 'failed' }],
  ]
  for (const [script, expected] of attempts) {
    const { result, code } = await repository.shell(script)
    expect([script, result]).toEqual([script, expect.objectContaining(expected)])
    expect(code).toBe(result.exit_code)
    expect(code).not.toBe(0)
  }
})

dockerTest('a fork bomb, a memory hog and a full scratch space end inside', async () => {
  await using repository = hostileRepository({
    'openexec.policy.yaml': 'version: 1\nlimits: { memory: 256MB, pids: 64 }\n',
  })
  // The last command takes the place of the shell: one more fork may find no room.
  const bomb = await repository.shell('b() { b | b & }; b 2>/dev/null; exec sleep 1')
  expect(bomb.result.status).toBe('succeeded')
  const hog = await repository.shell('perl -e \'push @a, "x" x 10000000 while 1\'')
  expect(hog.result).toMatchObject({ status: 'failed', reason: 'out_of_memory' })
  const full = await repository.shell(
    'for d in /tmp /dev/shm /var/tmp /run ~; do head -c 300000000 /dev/zero > $d/x; done; exit 4',
  )
  expect(full.result.status).toBe('failed')
  expect(full.residentBytesMax).toBeLessThan(400 * MEGABYTE)
})

dockerTest(
  'a command that ignores every signal ends with its time, with all it started',
  async () => {
    await using repository = hostileRepository()
    const started = performance.now()
    const { result, code } = await repository.shell(
      `trap "" TERM INT HUP; setsid sh -c 'trap "" TERM; while :; do sleep 1; done' & while :; do sleep 1; done`,
      '--timeout',
      '3s',
    )
    expect(result).toMatchObject({ status: 'failed', reason: 'wall_limit' })
    expect(code).toBe(124)
    expect(performance.now() - started).toBeLessThan(15_000)
  },
)

dockerTest('output without end costs disk up to its cap and no memory', async () => {
  await using repository = hostileRepository({
    'openexec.policy.yaml': 'version: 1\nlimits: { output: 4MB }\n',
  })
  const idle = await repository.shell('true')
  const flood = await repository.shell(
    'head -c 300000000 /dev/zero; yes | head -c 20000000 >&2; exit 5',
  )
  expect(flood.result).toMatchObject({ status: 'failed', reason: 'exit_nonzero' })
  expect(flood.residentBytesMax - idle.residentBytesMax).toBeLessThan(150 * MEGABYTE)
  const kept = flood.result.artifacts.filter(({ name }) => name.startsWith('run_command.'))
  expect(kept.map(({ size }) => size).every((size) => size < 5 * MEGABYTE)).toBe(true)
  const logs = await repository.openexec('logs', flood.result.run)
  expect(logs.stdout.length).toBeLessThan(8 * MEGABYTE)
  expect(logs.stdout.toString('latin1')).toContain('bytes left out')
})

/** Everything a terminal can be made to do by what is printed. */
const ESCAPES =
  '\\033]0;pwned\\007\\033[2J\\033[1;1H\\033]52;c;cHduZWQ=\\007\\033P+q544e\\033\\\\\\033[6n\\033c\\302\\2332J\\302\\235x\\007\\033_x\\033\\\\\\033[8m\\342\\200\\256'

dockerTest('what a sandbox prints reaches no terminal but as text and colour', async () => {
  await using repository = hostileRepository({
    'show.yaml': `
version: 1
name: show
description: Prints and tests
stages:
  - { id: tests, type: deterministic, action: run_tests, on_failure: again }
  - { id: again, type: deterministic, action: run_command, with: { argv: [sh, print.sh] } }
`,
    'openexec.yaml': 'commands: { test: [sh, test.sh] }\n',
    'print.sh': `printf 'start ${ESCAPES} \\033[31mred\\033[0m end\\n'; printf '${ESCAPES}' >&2; printf 'hidden\\rdone\\n'`,
    'test.sh': `printf '1..1\\nnot ok 1 - ${ESCAPES}name\\n'
      printf '<testsuite name="s"><testcase name="&#27;]0;pwned&#7;"><failure message="${ESCAPES.replaceAll('\\', '\\')}">x</failure></testcase></testsuite>' > junit.xml
      touch "$(printf 'file${ESCAPES.replaceAll('\\007', '')}')"; exit 1`,
  })
  const marked = await repository.openexec('run', 'show.yaml', '--image', 'base')
  expect(marked.code).toBe(0)
  const id = /run_[a-z0-9]+/.exec(marked.stdout.toString())?.[0] ?? ''
  const outputs = [marked.stdout, marked.stderr]
  for (const command of [
    ['show', id],
    ['events', id],
    ['artifacts', id],
    ['ps'],
    ['diff', '--stat', id],
  ])
    outputs.push((await repository.openexec(...command)).stdout)
  // Lines with a mark, tables and messages are for people, whatever they are written to.
  for (const output of outputs)
    expect(output.toString().replaceAll(COLOURS, '')).not.toMatch(UNSAFE)
  // A return would let a line of the command pass for one of the program.
  expect(marked.stderr.toString()).toContain('again │ done\n')
  // Bytes pass untouched to a file or a pipe, and not to a terminal.
  const raw = await repository.openexec('logs', id)
  expect(raw.stdout.includes(ESCAPE)).toBe(true)
  const terminal = spawnSync(
    'script',
    [
      '-qec',
      `"${process.execPath}" bin/openexec.js logs ${id} --repo ${repository.path}`,
      '/dev/null',
    ],
    {
      cwd: new URL('../../', import.meta.url),
      encoding: 'utf8',
    },
  )
  if (terminal.error !== undefined) return
  expect(terminal.stdout).toContain('red')
  expect(terminal.stdout.replaceAll(COLOURS, '')).not.toMatch(UNSAFE)
})

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const COLOURS = /\u001b\[(?:0|31)m/g
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const UNSAFE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

const REPORTS: Record<string, string> = {
  'TAP of blanks': `printf '1..1\\nok'; head -c 4000 /dev/zero | tr '\\0' ' '; printf 'x\\342\\200\\250y\\n'`,
  'subtests without end': `perl -e 'print "1..1\\n"; print " " x $_, "# Subtest: ", "n" x 100, "\\n" for 0..2000; print " " x 3000, "ok 1 - x\\n" for 0..500'`,
  'suites with long names': `perl -e 'my $n="n" x 1990; print "<testsuite name=\\"$n\\">" x 31, "<testsuite name=\\"x\\"><testcase name=\\"a\\"/></testsuite>" x 60000, "</testsuite>" x 31' > junit.xml`,
  'depth without end': `perl -e 'print "<testsuite>" x 300000' > junit.xml`,
  entities: `printf '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>' > junit.xml`,
  'a link': `ln -s /etc/passwd junit.xml`,
  'a pipe': `mkfifo junit.xml`,
  'a file without end': `perl -e 'truncate STDOUT, 200*1024*1024' > junit.xml`,
  'a directory': `mkdir junit.xml`,
  'names that a pattern never ends on': `mkdir out; touch out/$(head -c 250 /dev/zero | tr '\\0' a)`,
}

dockerTest('no report keeps the orchestrator busy, and none changes the verdict', async () => {
  await using repository = hostileRepository({
    'test.yaml': `
version: 1
name: test
description: Tests, one report after another
stages:
${Object.keys(REPORTS)
  .map(
    (_, index) =>
      `  - { id: t${index}, type: deterministic, action: run_tests, timeout: 1m, on_failure: ${index + 1 < Object.keys(REPORTS).length ? `t${index + 1}` : 'fail'} }`,
  )
  .join('\n')}
`,
    'openexec.yaml': `commands: { test: [sh, test.sh] }\nreports: { junit: [junit.xml, "out/${'*a'.repeat(12)}b.xml"] }\n`,
    'test.sh': `
n=$(cat /tmp/n 2>/dev/null || echo 0); echo $((n + 1)) > /tmp/n; rm -rf junit.xml out
case $n in
${Object.values(REPORTS)
  .map((script, index) => `${index}) ${script};;`)
  .join('\n')}
esac
exit 1
`,
  })
  const started = performance.now()
  const { result, residentBytesMax } = await repository.run('test.yaml', '--image', 'base')
  expect(result.stages.map(({ verdict }) => verdict)).toEqual(
    Object.keys(REPORTS).map(() => 'failed'),
  )
  expect(result.reason).toBe('tests_failed')
  expect(performance.now() - started).toBeLessThan(45_000)
  expect(residentBytesMax).toBeLessThan(700 * MEGABYTE)
  expect(result.artifacts.every(({ size }) => size < MEGABYTE || size < 9 * MEGABYTE)).toBe(true)
  const report = await repository.openexec('artifacts', 'get', result.run, 'test_report')
  expect(report.stdout.toString()).not.toContain('root:')
})
