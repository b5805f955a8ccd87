/** What a run gives to its user, through the program itself on the real engine. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Event } from '../../src/schema/index.ts'
import { countRuns, openexec, resultOf, testDirectory, testRepository } from '../helpers/cli.ts'
import { expectNothingLeft, newestRun } from '../helpers/cli-engine.ts'
import { dockerTest } from '../helpers/docker.ts'

const BASE = ['--image', 'base']

dockerTest(
  'a command passes its streams through and leaves everything else to be asked for',
  async () => {
    using repository = testRepository({ 'src/a.txt': 'one\n' })
    const before = repository.digest()
    const cwd = repository.path
    const script = 'echo out; echo err >&2; echo two >> src/a.txt; echo new > made.txt'
    const run = await openexec(['run', '-q', ...BASE, '--', 'sh', '-c', script], { cwd })
    expect(run).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' })
    expect(repository.digest()).toBe(before)
    await expectNothingLeft(repository)

    const id = await newestRun(cwd)
    const ask = async (...args: string[]) => {
      const { code, stdout } = await openexec(args, { cwd })
      expect(code, args.join(' ')).toBe(0)
      return stdout
    }
    const [show, receipt, logs, events, names, stat, list, report] = await Promise.all([
      ask('show', id.slice(0, 12)),
      ask('show', id, '--receipt'),
      ask('logs', id),
      ask('events', id, '--json', '--after', '1'),
      ask('diff', id, '--name-only'),
      ask('diff', id, '--json'),
      ask('artifacts', id),
      ask('artifacts', 'get', id, 'command_report'),
    ])
    expect(show).toMatch(/✔ run_\w+ succeeded, exit code 0\n {2}2 files changed, 2 insertions/)
    expect(receipt).toMatch(/✔ +capabilities +none/)
    expect(logs).toBe('out\n')
    const seqs = events
      .trimEnd()
      .split('\n')
      .map((line) => Event.parse(JSON.parse(line)).seq)
    expect(seqs).toEqual(seqs.map((_, index) => index + 2))
    expect(names).toBe('made.txt\nsrc/a.txt\n')
    expect(JSON.parse(stat)).toEqual({ files: 2, insertions: 2, deletions: 0 })
    expect(list).toMatch(/command_report +command_report/)
    expect(JSON.parse(report)).toMatchObject({ exit_code: 0 })

    const patch = await ask('diff', id)
    execFileSync('git', ['apply', '--check'], { cwd, input: patch })
    expect(await ask('apply', id)).toBe('Applied 2 files, 2 insertions, 0 deletions\n')
    expect(readFileSync(join(cwd, 'src/a.txt'), 'utf8')).toBe('one\ntwo\n')
    expect(repository.git('status', '--short')).toBe(' M src/a.txt\n?? made.txt\n')
  },
)

dockerTest('apply refuses a checkout that has gone on, and changes nothing', async () => {
  using repository = testRepository({ 'a.txt': 'one\n', 'b.txt': 'one\n' })
  const cwd = repository.path
  await openexec(['run', '-q', ...BASE, '--', 'sh', '-c', 'echo two | tee a.txt > b.txt'], { cwd })
  repository.write('b.txt', 'mine\n')
  const before = repository.digest()
  const { code, stdout, stderr } = await openexec(['apply', await newestRun(cwd)], { cwd })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('b.txt')
  expect(repository.digest()).toBe(before)
})

dockerTest('a command that fails gives exit code 1 and one JSON object', async () => {
  using repository = testRepository()
  const cwd = repository.path
  const [failed, missing] = await Promise.all([
    openexec(['run', '--json', ...BASE, '--', 'sh', '-c', 'echo no; exit 3'], { cwd }),
    openexec(['run', ...BASE, '--', 'no-such-program'], { cwd }),
  ])
  expect(failed.code).toBe(1)
  expect(resultOf(failed)).toMatchObject({
    status: 'failed',
    exit_code: 1,
    reason: 'exit_nonzero',
    stages: [{ id: 'run_command', verdict: 'failed' }],
    diff: { files: 0 },
  })
  expect(failed.stderr).toContain('run_command │ no')
  expect(missing).toMatchObject({ code: 1, stdout: '' })
  expect(missing.stderr).toMatch(/failed \(command_not_found\)[\s\S]*the image has no such program/)
  await expectNothingLeft(repository)
})

dockerTest('an image that is missing is refused before there is a run', async () => {
  using repository = testRepository()
  const cwd = repository.path
  const [unknown, malformed] = await Promise.all([
    openexec(['run', '--image', 'no-such-image', '--', 'true'], { cwd }),
    openexec(['run', '--image', 'no such image', '--', 'true'], { cwd }),
  ])
  expect(unknown).toMatchObject({ code: 2, stdout: '' })
  expect(unknown.stderr).toMatch(/Cannot find image "no-such-image"[\s\S]*docker pull/)
  expect(malformed.code).toBe(2)
  expect(malformed.stderr).toMatch(/"no such image": not an image name/)
  expect(countRuns(repository)).toBe(0)
  await expectNothingLeft(repository)
})

dockerTest('check lints and tests with the commands of the repository', async () => {
  using repository = testRepository({
    'openexec.yaml':
      'version: 1\nimage: base\ncommands: { lint: [grep, -q, ok, README.md], test: [test, -f, README.md] }\n',
  })
  const cwd = repository.path
  const { code, stdout, stderr } = await openexec(['run', 'check'], { cwd })
  expect(code).toBe(1)
  expect(stderr).toMatch(/▸ run_linters\n[\s\S]*✘ run_linters failed/)
  expect(stdout).toMatch(/✘ run_\w+ failed \(lint_failed\)/)
  repository.write('README.md', 'ok\n')
  const quiet = await openexec(['run', 'check', '-q', '--include-dirty'], { cwd })
  expect(quiet).toEqual({ code: 0, stdout: '', stderr: '' })
  const unread = await openexec(['run', 'check', '--input', 'patch=x', '--', 'true'], { cwd })
  expect(unread).toMatchObject({ code: 2, stdout: '' })
  await expectNothingLeft(repository)
})

dockerTest('--input name=@FILE hands over what the file holds', async () => {
  using repository = testRepository({ 'a.txt': 'one\n' })
  using place = testDirectory()
  const cwd = repository.path
  const patch = '--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n'
  writeFileSync(join(place.path, 'fix.patch'), patch)
  const stage =
    '{ id: patch_it, type: deterministic, action: apply_patch, outputs: [patch_applied] }'
  writeFileSync(
    join(place.path, 'patch.yaml'),
    `version: 1\nname: patch_it\ndescription: Apply a patch\nstages:\n  - ${stage}\n`,
  )
  const args = ['run', join(place.path, 'patch.yaml'), '--input', `patch=@${place.path}/fix.patch`]
  const run = await openexec([...args, '--json', ...BASE], { cwd })
  expect(run.stderr).not.toContain('error')
  expect(resultOf(run)).toMatchObject({ status: 'succeeded', diff: { files: 1, insertions: 1 } })
})

dockerTest(
  'a dirty tree runs from its commit with a notice, or from what it is when asked',
  async () => {
    using repository = testRepository({ 'a.txt': 'one\n' })
    repository.write('a.txt', 'dirty\n')
    const before = repository.digest()
    const cwd = repository.path
    const [clean, dirty] = await Promise.all([
      openexec(['run', ...BASE, '--', 'cat', 'a.txt'], { cwd }),
      openexec(['run', '--include-dirty', ...BASE, '--', 'cat', 'a.txt'], { cwd }),
    ])
    expect(clean).toMatchObject({ code: 0, stdout: 'one\n' })
    expect(clean.stderr).toMatch(/! 1 uncommitted change is not part of this run.*--include-dirty/)
    expect(dirty).toMatchObject({ code: 0, stdout: 'dirty\n' })
    expect(dirty.stderr).not.toContain('uncommitted')
    expect(repository.digest()).toBe(before)
    await expectNothingLeft(repository)
  },
)

dockerTest('submodules are empty in the sandbox, and said to be', async () => {
  using inner = testRepository({ 'f.txt': 'x' })
  using repository = testRepository()
  repository.git(
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'add',
    inner.path,
    'mod',
  )
  repository.commit()
  const before = repository.digest()
  const run = await openexec(['run', ...BASE, '--', 'ls', 'mod'], { cwd: repository.path })
  expect(run).toMatchObject({ code: 0, stdout: '' })
  expect(run.stderr).toContain('! Submodules are empty directories in the sandbox: mod')
  expect(repository.digest()).toBe(before)
})

dockerTest('names with line ends and bytes that are no UTF-8 come through and back', async () => {
  using repository = testRepository({ 'new\nline': 'x', ' lead': 'z' })
  const cwd = repository.path
  writeFileSync(Buffer.from(`${cwd}/lat\xe9in`, 'latin1'), 'y')
  repository.commit()
  const script =
    'printf 2 > "$(printf "lat\\351in")"; printf n > "new\nline"; rm " lead"; mkdir d; echo > d/é'
  const run = await openexec(['run', '-q', ...BASE, '--', 'sh', '-c', script], { cwd })
  expect(run).toEqual({ code: 0, stdout: '', stderr: '' })
  const id = await newestRun(cwd)
  const { stdout } = await openexec(['diff', id, '--name-only'], { cwd })
  expect(stdout).toBe(' lead\nd/é\n"lat\\351in"\n"new\\nline"\n')
  expect((await openexec(['apply', id], { cwd })).code).toBe(0)
  expect(readFileSync(join(cwd, 'new\nline'), 'utf8')).toBe('n')
  expect(readFileSync(Buffer.from(`${cwd}/lat\xe9in`, 'latin1'), 'utf8')).toBe('2')
})

dockerTest(
  'a repository of 50,000 files runs, and only what changed comes back',
  async () => {
    using repository = testRepository()
    for (let folder = 0; folder < 250; folder++) {
      mkdirSync(join(repository.path, `d${folder}`))
      for (let file = 0; file < 200; file++)
        writeFileSync(join(repository.path, `d${folder}/f${file}`), `${folder} ${file}\n`)
    }
    repository.commit()
    const script = 'git status --short; echo changed > d3/f3; rm d4/f4'
    const cwd = repository.path
    const run = await openexec(['run', '--json', ...BASE, '--', 'sh', '-c', script], {
      cwd,
      limitMs: 280_000,
    })
    expect(resultOf(run)).toMatchObject({ status: 'succeeded', diff: { files: 2 } })
    await expectNothingLeft(repository)
  },
  300_000,
)
