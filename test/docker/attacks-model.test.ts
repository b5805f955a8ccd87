/**
 * A model that does the worst it can say, through the whole program: its calls against the toolset,
 * the policy and the sandbox, its word against the tests, and its tests against the checkpoint. And
 * code that looks for what policy does not let be read.
 */
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { type HostileRepository, hostileRepository } from '../helpers/hostile-repository.ts'

const SECRET = 'correct-horse-battery-staple'

const POLICY = `
version: 1
paths: { deny_read: ["secrets/**"], deny_write: [".github/**"] }
`

const BLUEPRINT = `
version: 1
name: agent
description: An agent and the tests
limits: { max_consecutive_errors: 500, max_turns: 50, max_tool_calls: 200 }
stages:
  - { id: gather, type: deterministic, action: build_context_pack }
  - { id: implement, type: agent, goal: Do it, toolset: coding_backend, inputs: [context_pack], retry_limit: 1, on_failure: tests }
  - { id: tests, type: deterministic, action: run_tests }
`

const FILES = {
  'openexec.policy.yaml': POLICY,
  'agent.yaml': BLUEPRINT,
  'openexec.yaml': 'commands: { test: [sh, test.sh] }\n',
  'test.sh': 'exit 1\n',
  'src/sum.js': 'export const sum = 1\n',
  'secrets/key.txt': `${SECRET}\n`,
  '.github/workflows/ci.yml': 'on: push\n',
}

interface Call {
  name: string
  args: Record<string, unknown>
}

/** One answer for each list of calls, and then the end. */
function writeScript(repository: HostileRepository, answers: readonly (readonly Call[])[]): string {
  const file = join(dirname(repository.mark), 'model.yaml')
  const turns = answers.map((calls) => ({ reply: { tool_calls: calls } }))
  writeFileSync(file, JSON.stringify({ provider: 'scripted', turns, on_exhausted: 'repeat_last' }))
  return file
}

const DONE: Call = {
  name: 'finish',
  args: { status: 'done', summary: 'All tests pass \u001b]0;pwned\u0007, I have checked it' },
}

async function runAgent(repository: HostileRepository, answers: readonly (readonly Call[])[]) {
  const script = writeScript(repository, answers)
  const run = await repository.run(
    'agent.yaml',
    '--image',
    'base',
    '--task',
    'Fix sum',
    '--model-script',
    script,
  )
  const events = await repository.events(run.result.run)
  return { ...run, events, calls: events.filter(({ type }) => type === 'tool_call') }
}

const PATHS = [
  '../outside',
  '/etc/passwd',
  'src/../../outside',
  '.git/config',
  '.GIT/hooks/pre-commit',
  'git~1/config',
  '.g\u200cit/config',
  'src/.git/config',
  'secrets/key.txt',
  './secrets//key.txt',
  'Secrets/KEY.txt',
  'out/file',
  'innocent/key.txt',
  '.github/workflows/ci.yml',
  '.github/new.yml',
  '.GitHub/new.yml',
  'bad\u0000name',
  'line\nbreak',
]

function patchOf(from: string, to: string): string {
  return `diff --git a/${from} b/${to}\nsimilarity index 100%\nrename from ${from}\nrename to ${to}\n`
}

const PATCHES = [
  patchOf('secrets/key.txt', 'src/key.txt'),
  patchOf('.github/workflows/ci.yml', 'ci.yml'),
  patchOf('src/sum.js', '.github/sum.js'),
  `diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n`,
  `diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit ${'1'.repeat(40)}\n`,
  `--- a/../outside\n+++ b/../outside\n@@ -0,0 +1 @@\n+x\n`,
  `--- /dev/null\n+++ b/.git/hooks/pre-commit\n@@ -0,0 +1 @@\n+x\n`,
  `*** Begin Patch\n*** Add File: .github/x.yml\n+x\n*** End Patch`,
  `*** Begin Patch\n*** Update File: secrets/key.txt\n*** Move to: src/key.txt\n*** End Patch`,
  `*** Begin Patch\n*** Delete File: .github/workflows/ci.yml\n*** End Patch`,
]

dockerTest('no call of a model reaches outside, into git, or what policy denies', async () => {
  await using repository = hostileRepository(FILES)
  const attacks: Call[][] = [
    PATHS.map((path) => ({ name: 'read_file', args: { path } })).filter(
      ({ args }) => !/github/i.test(args.path),
    ),
    PATHS.map((path) => ({ name: 'write_file', args: { path, content: 'x', overwrite: true } })),
    PATHS.map((path) => ({ name: 'edit_file', args: { path, old_text: 'o', new_text: 'x' } })),
    PATCHES.map((patch) => ({ name: 'apply_patch', args: { patch } })),
    [
      ...['run_command', 'run_setup', 'commit_changes', 'sh', '../run_tests', '__proto__'].map(
        (name) => ({
          name: 'run_action',
          args: { name },
        }),
      ),
      ...['shell', 'bash', 'constructor', 'run_command'].map((name) => ({
        name,
        args: { command: 'id' },
      })),
      { name: 'read_artifact', args: { sha256: 'a'.repeat(64) } },
      { name: 'list_directory', args: { path: 'secrets' } },
      { name: 'grep', args: { pattern: 'x', path: 'secrets' } },
      {
        name: 'write_file',
        args: { path: 'deep', content: JSON.parse('['.repeat(24) + ']'.repeat(24)) as unknown },
      },
      { name: 'edit_file', args: {} },
    ],
  ]
  // Links are in the base commit; the model goes where they lead.
  const outside = dirname(repository.mark)
  symlinkSync(outside, join(repository.path, 'out'))
  symlinkSync('secrets', join(repository.path, 'innocent'))
  repository.commit()
  const { result, calls, stderr, stdout } = await runAgent(repository, [...attacks, [DONE]])
  expect(
    calls.filter(({ payload }) => payload['ok'] === true && payload['tool'] !== 'finish'),
  ).toEqual([])
  expect(calls.length).toBeGreaterThanOrEqual(attacks.flat().length)
  // It says that all tests pass; they do not.
  expect(result).toMatchObject({ status: 'failed', reason: 'tests_failed', diff: { files: 0 } })
  expect(stdout.includes(0x1b) || stderr.includes(0x1b)).toBe(false)
  expect(readdirSync(outside).filter((name) => name !== 'model.yaml')).toEqual([])
  expect(everythingSaidBy(repository)).not.toContain(SECRET)
})

/** All that a run keeps in files people and models read, the database included. */
function everythingSaidBy({ path }: HostileRepository): string {
  const root = join(path, '.openexec')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !name.startsWith('git/') && !name.startsWith('work/'),
  )
  return files
    .map((name) => {
      try {
        return readFileSync(join(root, name), 'latin1')
      } catch {
        return ''
      }
    })
    .join('\n')
}

dockerTest(
  'code that a model wrote cannot change what policy protects, and apply refuses',
  async () => {
    await using repository = hostileRepository({ ...FILES, 'test.sh': 'echo hello\n' })
    const evil =
      'mkdir -p .github; echo evil > .github/workflows/ci.yml; mv .github x; mv x .github; exit 0\n'
    const { result } = await runAgent(repository, [
      [{ name: 'write_file', args: { path: 'test.sh', content: evil, overwrite: true } }],
      [{ name: 'run_action', args: { name: 'run_tests' } }],
      [DONE],
    ])
    expect(result).toMatchObject({ status: 'failed', reason: 'policy_violation', exit_code: 5 })
    expect(result.detail).toContain('.github/workflows/ci.yml')
    const applied = await repository.openexec('apply', result.run)
    expect(applied.code).toBe(5)
    expect(repository.read('.github/workflows/ci.yml')).toBe('on: push\n')
    expect(repository.read('test.sh')).toBe('echo hello\n')
  },
)

/** Says FOUND when the secret is anywhere a process can look, packed or loose, reachable or not. */
const SEARCH = `
  found() { grep -q ${SECRET} && echo FOUND; }
  { cat secrets/key.txt; git log -p --all --reflog; git show HEAD:secrets/key.txt; git stash list -p
    git cat-file --batch-all-objects --batch; git --git-dir=/openexec/git fsck --unreachable
    for o in /openexec/objects* /openexec/git/objects; do for f in $(find $o -type f 2>/dev/null); do
      cat $f; perl -MCompress::Zlib -e 'undef $/; print uncompress(<>)' $f; done; done
    for p in $(find /openexec -name '*.idx' 2>/dev/null); do git show-index < $p | cut -d' ' -f2 | git cat-file --batch; done
    grep -r . /workspace /openexec /home /tmp /run; env; } 2>/dev/null | found; true`

dockerTest('what may not be read is in no file, no history and no object inside', async () => {
  await using repository = hostileRepository({ 'src/a': 'a\n' })
  repository.write('secrets/key.txt', `${SECRET}\n`)
  repository.commit()
  repository.git('checkout', '--quiet', '-b', 'other')
  repository.write('secrets/other.txt', `${SECRET} again\n`)
  repository.commit()
  repository.git('checkout', '--quiet', 'main')
  repository.git('gc', '--quiet')
  repository.write('secrets/loose.txt', `${SECRET} loose\n`)
  repository.commit()
  const open = await repository.shell(SEARCH)
  const shown = (await repository.openexec('logs', open.result.run)).stdout.toString()
  expect(shown).toContain('FOUND')

  writeFileSync(join(dirname(repository.mark), 'policy.yaml'), POLICY)
  for (const mode of ['read_only', 'repo_write']) {
    const policy = join(dirname(repository.mark), `${mode}.yaml`)
    writeFileSync(policy, `${POLICY}sandbox: ${mode}\n`)
    const closed = await repository.shell(SEARCH, '--policy', policy)
    expect(closed.result.status).toBe('succeeded')
    expect((await repository.openexec('logs', closed.result.run)).stdout.toString()).toBe('')
  }
  // Nor can it be put in its place, to be taken for the real one later.
  const policy = join(dirname(repository.mark), 'policy.yaml')
  const planted = await repository.shell(
    'mkdir -p secrets; echo planted > secrets/key.txt',
    '--policy',
    policy,
  )
  expect(planted.result.diff.files).toBe(0)
})
