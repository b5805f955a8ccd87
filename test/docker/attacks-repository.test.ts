/**
 * What a repository can try whose content is hostile and which nobody looked at: everything a clone
 * or a pull can bring. Each attack is shown to work where the defence is missing.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { type HostileRepository, hostileRepository } from '../helpers/hostile-repository.ts'

const TRUE = ['--image', 'base', '--', 'true']

/** The object store OpenExec keeps for a repository, as files of a commit, with a filter that runs. */
function hostileStore(repository: HostileRepository): {
  name: string
  files: Record<string, string>
} {
  const commonDir = join(repository.path, '.git')
  const digest = createHash('sha256').update(commonDir).digest('hex').slice(0, 16)
  const name = `.openexec/git/${digest}.git`
  const filter = `[filter "x"]\n\tclean = touch ${repository.mark}; cat\n\tsmudge = touch ${repository.mark}; cat\n`
  return {
    name,
    files: {
      HEAD: 'ref: refs/heads/none\n',
      config: `[core]\n\trepositoryformatversion = 0\n\tbare = true\n${filter}`,
      'info/attributes': '* filter=x\n',
      'objects/info/alternates': `${join(commonDir, 'objects')}\n`,
      'objects/pack/.keep': '',
      'refs/heads/.keep': '',
    },
  }
}

function writeStore(repository: HostileRepository): string {
  const { name, files } = hostileStore(repository)
  for (const [file, content] of Object.entries(files)) repository.write(`${name}/${file}`, content)
  return name
}

/** What a host that trusts the store would do: write the files of the commit through it. */
function checkOutThrough(repository: HostileRepository, store: string): void {
  const target = join(dirname(repository.mark), 'tree')
  mkdirSync(target, { recursive: true })
  const env = {
    ...process.env,
    GIT_DIR: join(repository.path, store),
    GIT_WORK_TREE: target,
    GIT_INDEX_FILE: join(target, '../index'),
  }
  const tree = repository.git('rev-parse', 'HEAD^{tree}').trim()
  execFileSync('git', ['read-tree', tree], { env, stdio: 'pipe' })
  execFileSync('git', ['checkout-index', '--all', '--force'], { env, cwd: target, stdio: 'pipe' })
}

dockerTest('a committed state directory with a store that runs commands is refused', async () => {
  await using repository = hostileRepository()
  const store = writeStore(repository)
  checkOutThrough(repository, store)
  expect(repository.isMarked()).toBe(true)
  rmSync(repository.mark)
  for (const command of [['run', ...TRUE], ['ps'], ['gc'], ['show', 'run_x']]) {
    const { code, stderr } = await repository.openexec(...command)
    expect(code).not.toBe(0)
    expect(stderr.toString()).toContain('OpenExec did not make it')
  }
  expect(repository.isMarked()).toBe(false)
  expect(readdirSync(join(repository.path, '.openexec')).sort()).toEqual(['.gitignore', 'git'])
})

dockerTest('a pull that writes into the state directory runs nothing', async () => {
  await using repository = hostileRepository()
  expect((await repository.run(...TRUE)).code).toBe(0)
  // Git takes what is ignored for dispensable, so a checkout replaces files of the real one.
  const store = writeStore(repository)
  checkOutThrough(repository, store)
  expect(repository.isMarked()).toBe(true)
  rmSync(repository.mark)
  repository.write('readme', 'changed, so that it has to be looked at\n')
  expect((await repository.run(...TRUE)).code).toBe(0)
  repository.git('add', '--force', '.openexec/git')
  repository.git('commit', '--quiet', '--message=Bring a store')
  const refused = await repository.openexec('run', ...TRUE)
  expect(refused.code).not.toBe(0)
  expect(refused.stderr.toString()).toContain('".openexec"')
  await repository.openexec('run', '--ref', 'HEAD~1', ...TRUE)
  expect(repository.isMarked()).toBe(false)
})

dockerTest('a state directory that is a link leads nowhere', async () => {
  await using repository = hostileRepository()
  const victim = join(dirname(repository.mark), 'home')
  mkdirSync(join(victim, 'work/thesis'), { recursive: true })
  writeFileSync(join(victim, 'work/thesis/text'), 'precious')
  symlinkSync(victim, join(repository.path, '.openexec'))
  repository.git('add', '.openexec')
  repository.git('commit', '--quiet', '--message=Link')
  const { code } = await repository.openexec('run', ...TRUE)
  expect(code).not.toBe(0)
  await repository.openexec('gc')
  expect(existsSync(join(victim, 'work/thesis/text'))).toBe(true)
  expect(readdirSync(victim).filter((name) => name !== '.gitignore')).toEqual(['work'])
})

dockerTest('a committed database with runs of its own is not believed', async () => {
  await using origin = hostileRepository()
  expect((await origin.run(...TRUE)).code).toBe(0)
  await using clone = hostileRepository()
  rmSync(join(origin.path, '.openexec/.gitignore'))
  origin.git('add', '--all', '--force')
  origin.git('commit', '--quiet', '--message=State')
  clone.git('fetch', '--quiet', origin.path, 'main')
  clone.git('reset', '--quiet', '--hard', 'FETCH_HEAD')
  expect(existsSync(join(clone.path, '.openexec/openexec.db'))).toBe(true)
  const listed = await clone.openexec('ps', '--json')
  expect(listed.code).not.toBe(0)
  expect(listed.stdout.toString()).not.toContain('"status":"succeeded"')
})

dockerTest('filters, hooks and monitors of the checkout do not run', async () => {
  await using repository = hostileRepository({
    '.gitattributes': '* filter=x diff=x\n',
    '.gitmodules': '[submodule "s"]\n\tpath = s\n\turl = ./s\n\tignore = none\n',
    'bare/HEAD': 'ref: refs/heads/main\n',
    'bare/config': '[core]\n\tbare = true\n',
  })
  const { mark, git } = repository
  const head = git('rev-parse', 'HEAD').trim()
  git('update-index', '--add', '--cacheinfo', `160000,${head},s`)
  git('commit', '--quiet', '--message=Submodule')
  const touch = `touch ${mark}; cat`
  for (const [key, value] of Object.entries({
    'core.fsmonitor': `touch ${mark}; false`,
    'filter.x.clean': touch,
    'filter.x.smudge': touch,
    'diff.x.textconv': touch,
    'diff.external': touch,
    'core.sshCommand': touch,
    'uploadpack.packObjectsHook': touch,
  }))
    git('config', key, value)
  for (const hook of ['post-checkout', 'post-index-change', 'reference-transaction', 'pre-auto-gc'])
    repository.write(`.git/hooks/${hook}`, `#!/bin/sh\ntouch ${mark}\n`, 0o755)
  repository.write('readme', 'changed\n')
  repository.write('fresh', 'untracked\n')
  git('status', '--short')
  expect(repository.isMarked()).toBe(true)
  rmSync(mark)
  const run = await repository.shell('echo more >> readme; echo x > new', '--include-dirty')
  expect(run.result).toMatchObject({ status: 'succeeded', diff: { files: 2 } })
  await repository.openexec('diff', run.result.run)
  await repository.openexec('show', run.result.run)
  expect((await repository.openexec('apply', run.result.run)).code).toBe(0)
  expect(repository.read('readme')).toBe('changed\nmore\n')
  expect(repository.isMarked()).toBe(false)
})

dockerTest(
  'a policy file of the repository never gives more, and shows no other file',
  async () => {
    await using repository = hostileRepository()
    const secret = join(dirname(repository.mark), 'secret')
    writeFileSync(secret, 'aws_key: hunter2hunter2\n')
    const policies: [string, number][] = [
      ['sandbox: danger_full_access', 5],
      ['network: { allow: [example.com] }', 5],
      ['limits: { memory: 64GB }', 5],
      ['rules: [{ id: a, capability: git_push, decision: allow }]', 5],
      ['a: &a [x, x]\nb: [*a, *a]', 2],
      [`sandbox: read_only\n"\\e]0;pwned\\a": 1`, 2],
    ]
    for (const [text, exit] of policies) {
      repository.write('openexec.policy.yaml', `version: 1\n${text}\n`)
      const { code, stdout, stderr } = await repository.openexec('run', ...TRUE)
      expect([text, code]).toEqual([text, exit])
      expect(stdout.includes(0x1b) || stderr.includes(0x1b)).toBe(false)
    }
    rmSync(join(repository.path, 'openexec.policy.yaml'))
    symlinkSync(secret, join(repository.path, 'openexec.policy.yaml'))
    const linked = await repository.openexec('run', ...TRUE)
    expect(linked.code).not.toBe(0)
    expect(`${String(linked.stdout)}${String(linked.stderr)}`).not.toContain('hunter2')
    rmSync(join(repository.path, 'openexec.policy.yaml'))
    execFileSync('mkfifo', [join(repository.path, 'openexec.policy.yaml')])
    expect((await repository.openexec('run', ...TRUE)).code).not.toBe(0)
    expect((await repository.openexec('ps', '--json')).stdout.toString()).toContain('"runs":[]')
  },
)

dockerTest(
  'openexec.yaml cannot widen policy, bomb the parser or write to the terminal',
  async () => {
    await using repository = hostileRepository({
      'package.json': '{"scripts":{"test":"exit 0"}}',
    })
    const attempts = [
      'sandbox: danger_full_access',
      'commands: { test: "npm test; touch /tmp/x" }',
      'reports: { junit: ["../../../etc/passwd"] }',
      'a: &a [x]\nb: [*a, *a]',
      `a: ${'['.repeat(5000)}${']'.repeat(5000)}`,
      `commands:\n  "\\e]0;pwned\\a\\e[31mx": [a]`,
      `image: "x\\e]0;pwned\\a"`,
      `image: "--privileged"`,
    ]
    for (const text of attempts) {
      repository.write('openexec.yaml', `${text}\n`)
      repository.commit()
      const { code, stdout, stderr } = await repository.openexec('run', 'check')
      expect([text.slice(0, 40), code]).toEqual([text.slice(0, 40), 2])
      expect(stdout.includes(0x1b) || stderr.includes(0x1b)).toBe(false)
    }
  },
)
