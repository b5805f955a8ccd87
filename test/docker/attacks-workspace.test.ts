/**
 * What code in a sandbox can try through the files it leaves: against the host that snapshots, shows
 * and applies them, against the next stage and the next run, and against the state of OpenExec.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { hostileRepository } from '../helpers/hostile-repository.ts'

const ESCAPE = 0x1b

/** Everything known to make git on a host run commands, from within a worktree. */
function evilGit(mark: string): string {
  const touch = `touch ${mark}; cat`
  return `
    set +e; cd /workspace
    git init -q nested; cd nested
    git config core.fsmonitor 'touch ${mark}; false'; git config filter.x.clean '${touch}'
    git config diff.x.textconv '${touch}'; git config core.hooksPath /workspace/hooks
    echo '* filter=x diff=x' > .gitattributes; echo a > file
    git -c user.name=a -c user.email=a@b -c core.fsmonitor= -c filter.x.clean=cat commit -q --allow-empty -m x
    cd ..
    printf '[submodule "nested"]\\n\\tpath = nested\\n\\turl = ./nested\\n\\tignore = none\\n' > .gitmodules
    cp -r nested/.git bare; git --git-dir=bare config core.bare true
    mkdir hooks; for h in post-checkout post-index-change reference-transaction pre-commit; do
      printf '#!/bin/sh\\ntouch ${mark}\\n' > hooks/$h; chmod +x hooks/$h; done
    echo '* filter=x diff=x' > .gitattributes
    rm -f .git; echo 'gitdir: ./bare' > .git
    mkdir -p .GIT/hooks 'git~1'; cp bare/config .GIT/config; cp bare/config 'git~1/config'
    echo /workspace/bare > /openexec/git/commondir
    cp bare/config /openexec/git/config; cp -r hooks /openexec/git/hooks; cp bare/config /openexec/git/config.worktree
    echo /etc > /openexec/git/objects/info/alternates
    for o in /openexec/objects*; do touch $o/evil; rm -rf $o/pack; chmod 777 $o; done
    echo changed >> readme; true`
}

dockerTest('a poisoned .git runs nothing on the host, in this run or the next', async () => {
  await using repository = hostileRepository()
  const { mark } = repository
  // The same tree, and somebody who asks git about it.
  const tree = join(dirname(mark), 'tree')
  mkdirSync(join(tree, 'nested'), { recursive: true })
  const git = (...args: string[]) => execFileSync('git', args, { cwd: tree, stdio: 'pipe' })
  git('init', '--quiet')
  git('config', 'core.fsmonitor', `touch ${mark}; false`)
  git('status')
  expect(repository.isMarked()).toBe(true)
  rmSync(mark)

  const objects = repository.git('count-objects', '-v')
  for (const mode of ['workspace_write', 'repo_write']) {
    const run = await repository.shell(evilGit(mark), '--sandbox', mode)
    expect(run.result.status).toBe('succeeded')
    const refused = (await repository.events(run.result.run)).filter(
      ({ payload }) => payload['kind'] === 'refused_files',
    )
    expect(JSON.stringify(refused)).toContain('git_directory')
    const shown = await repository.openexec('diff', run.result.run)
    expect(shown.stdout.toString()).toContain('+changed')
    expect(shown.stdout.toString()).not.toMatch(/^diff --git a\/(?:nested\/)?\.git\//m)
    await repository.openexec('show', run.result.run)
  }
  const after = await repository.shell('git status --short; git log --oneline; cat .git')
  expect(after.result.status).toBe('succeeded')
  expect(repository.isMarked()).toBe(false)
  expect(repository.git('count-objects', '-v')).toBe(objects)
  repository.git('fsck', '--strict')
  expect(readdirSync(join(repository.path, '.git'))).not.toContain('evil')
  expect(repository.git('status', '--short')).toBe('')
})

dockerTest('what is applied never reaches git or the state of OpenExec', async () => {
  await using repository = hostileRepository()
  const script = `
    mkdir -p .openexec/work/run_x .OpenExec .openexec-apply/new
    for f in openexec.db-journal openexec-state evil git/x; do mkdir -p .openexec/$(dirname $f); echo x > .openexec/$f; done
    echo x > .OpenExec/y; echo x > .openexec-apply/journal.json; echo x > .openexec/work/run_x/z
    ln -s /etc out; ln -s ../.. up; echo fine > fine`
  const { result } = await repository.shell(script)
  const before = readdirSync(join(repository.path, '.openexec')).sort()
  const names = await repository.openexec('diff', '--name-only', result.run)
  expect(names.stdout.toString().trim().split('\n').sort()).toEqual(['fine', 'out', 'up'])
  expect((await repository.openexec('apply', result.run)).code).toBe(0)
  expect(repository.read('fine')).toBe('fine\n')
  expect(readdirSync(join(repository.path, '.openexec')).sort()).toEqual(before)
  expect(readdirSync(repository.path).filter((name) => /^\.openexec./i.test(name))).toEqual([])
})

dockerTest('apply writes through no link that the checkout or a change brings', async () => {
  await using repository = hostileRepository({ 'a/file': 'old\n', 'b/file': 'old\n' })
  const { result } = await repository.shell(
    'echo new > a/file; echo new > b/file; mkdir c; echo new > c/file; rm -r b; ln -s a b',
  )
  const outside = join(dirname(repository.mark), 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'old\n')
  rmSync(join(repository.path, 'a'), { recursive: true })
  execFileSync('ln', ['-s', outside, join(repository.path, 'a')])
  execFileSync('ln', ['-s', outside, join(repository.path, 'c')])
  // Somebody who copies the changes does write there.
  execFileSync('cp', ['/dev/null', join(repository.path, 'a/control')])
  expect(existsSync(join(outside, 'control'))).toBe(true)
  const refused = await repository.openexec('apply', result.run)
  expect(refused.code).toBe(1)
  expect(refused.stderr.toString()).toContain('not_a_directory')
  expect(readdirSync(outside).sort()).toEqual(['control', 'file'])
  expect(execFileSync('cat', [join(outside, 'file')]).toString()).toBe('old\n')
  expect(lstatSync(join(repository.path, 'b')).isDirectory()).toBe(true)
})

/** Names and kinds of files that break tools which take names for text and files for files. */
const ODD_FILES = `
  printf x > "$(printf 'new\\nline')"; printf x > "$(printf 'bad\\377name')"; printf x > -x
  printf x > "--output=MARK"; printf x > "$(printf 'esc\\033]0;pwned\\007\\033[31m')"
  printf x > "$(printf 'rtl\\342\\200\\256txt.exe')"; printf x > A; printf x > a; printf x > ' lead'
  printf x > ':(exclude)x'; printf x > '*'; printf x > 'back\\slash'
  ln -s /etc/passwd link; ln -s /proc/self/root root; ln -s . loop; ln -s "$(printf 'a\\nb')" linkname
  mkfifo fifo one two three; perl -e 'use Socket; socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("sock"))'
  printf x > suid; chmod 6755 suid; mkdir sgid locked; chmod 2755 sgid; printf x > sgid/f
  printf x > locked/f; chmod 0 locked; printf x > unreadable; chmod 0 unreadable
  perl -e 'my $n="d"x250; for(1..200){mkdir $n or last; chdir $n or last} open F,">f"; mkdir "e"x200'
  perl -e 'truncate("/workspace/none",0); open F,">sparse"; seek F,200*1024*1024,0; print F "x"'
  ln readme hard`

dockerTest(
  'odd names, kinds, rights and depths are reported or carried, and all go away',
  async () => {
    await using repository = hostileRepository()
    const { result, stderr } = await repository.shell(ODD_FILES)
    expect(result).toMatchObject({ status: 'succeeded' })
    expect(stderr.includes(ESCAPE)).toBe(false)
    const events = await repository.events(result.run)
    const refused = JSON.stringify(
      events.filter(({ payload }) => payload['kind'] === 'refused_files'),
    )
    for (const reason of ['fifo', 'socket', 'set_id']) expect(refused).toContain(reason)
    expect(repository.git('status', '--short')).toBe('')
    const applied = await repository.openexec('apply', result.run)
    expect(applied.code).toBe(0)
    const { path } = repository
    const found = execFileSync('find', [
      path,
      '-path',
      `${path}/.git`,
      '-prune',
      '-o',
      '(',
      '-perm',
      '/6000',
      '-o',
      '-type',
      'p',
      '-o',
      '-type',
      's',
      ')',
      '-print',
    ])
    expect(found.toString()).toBe('')
    expect(readdirSync(path)).toEqual(
      expect.arrayContaining(['-x', '--output=MARK', 'A', 'a', 'new\nline', '*']),
    )
    for (const format of ['--name-only', '--stat'])
      expect((await repository.openexec('diff', format, result.run)).stdout.includes(ESCAPE)).toBe(
        false,
      )
  },
)

dockerTest('a flood of files ends with the limit, in bounded time, and all go away', async () => {
  await using repository = hostileRepository({
    'openexec.policy.yaml': 'version: 1\nlimits: { inodes: 20000, disk: 100MB }\n',
  })
  const flood = (work: string) => `perl -e '${work}'; sleep 20`
  const started = performance.now()
  const files = await repository.shell(flood('for my $i (1..60000) { open F, ">f$i" or exit }'))
  expect(files.result).toMatchObject({ status: 'failed', reason: 'disk_limit' })
  const bytes = await repository.shell(
    flood('for my $i (1..30) { open F, ">b$i"; print F "x" x 10000000 }'),
  )
  expect(bytes.result).toMatchObject({ status: 'failed', reason: 'disk_limit' })
  expect(performance.now() - started).toBeLessThan(60_000)
})

const TWO_STAGES = `
version: 1
name: two
description: Two commands in turn
stages:
  - { id: one, type: deterministic, action: run_command, with: { argv: [sh, one.sh] } }
  - { id: two, type: deterministic, action: run_command, with: { argv: [sh, two.sh] } }
`

dockerTest(
  'nothing that a stage started is alive in the next, or writes after its end',
  async () => {
    await using repository = hostileRepository({
      'two.yaml': TWO_STAGES,
      'one.sh': `
      setsid sh -c 'trap "" TERM HUP INT; while :; do echo x >> /workspace/grow; sleep 0.02; done' >/dev/null 2>&1 &
      (setsid setsid sh -c 'while :; do echo x >> /workspace/grow2; sleep 0.02; done' &)
      perl -e 'use POSIX; for(1..10){ if(!fork){ POSIX::setsid(); $0="[kworker/0:0]"; while(1){ select(undef,undef,undef,0.01); exit if fork } } }'
      rm -f .git; (cd /tmp; sleep 1000 &)
      sleep 0.3`,
      'two.sh': `
      a=$(cat grow grow2 | wc -l); sleep 0.3; b=$(cat grow grow2 | wc -l)
      echo "before=$a after=$b processes=$(ls -d /proc/[0-9]* | wc -l)"; cat .git`,
    })
    const { result } = await repository.run('two.yaml', '--image', 'base')
    expect(result.status).toBe('succeeded')
    const logs = (await repository.openexec('logs', '--stage', 'two', result.run)).stdout.toString()
    const [, before, after, processes] = /before=(\d+) after=(\d+) processes=(\d+)/.exec(logs) ?? []
    expect(Number(before)).toBeGreaterThan(0)
    expect(after).toBe(before)
    // The supervisor, its warden, the shell, its substitution and what is asked there.
    expect(Number(processes)).toBeLessThanOrEqual(6)
    expect(logs).toContain('gitdir: /openexec/git')
    // A shell of a person who trusts the commands leaves such processes alive.
    const control = spawnSync('sh', ['-c', 'setsid sleep 3 >/dev/null 2>&1 & echo $!'])
    expect(existsSync(`/proc/${control.stdout.toString().trim()}`)).toBe(true)
  },
)

dockerTest(
  'the changes of a run hide in no diff: attributes of the tree do not count',
  async () => {
    await using repository = hostileRepository({ 'lib.js': 'safe()\n' })
    // Of the same length and with the old time: a look at both would see nothing.
    const { result } = await repository.shell(
      `printf '* -diff\\n*.js binary linguist-generated\\n' > .gitattributes
       touch -r lib.js /tmp/time; printf 'evil()\\n' > lib.js; touch -r /tmp/time lib.js`,
    )
    const shown = (await repository.openexec('diff', result.run)).stdout.toString()
    expect(shown).toContain('+evil()')
    const copy = join(dirname(repository.mark), 'copy')
    cpSync(repository.path, copy, { recursive: true })
    execFileSync('git', ['apply', '-'], { cwd: copy, input: shown })
    const careless = execFileSync('git', ['diff'], { cwd: copy }).toString()
    expect(careless).not.toContain('+evil()')
  },
)
