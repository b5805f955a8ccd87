/** Taking over what runs made, as commits, and going on from it, through the program itself. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openexec, testRepository } from '../helpers/cli.ts'
import { expectNothingLeft, newestRun } from '../helpers/cli-engine.ts'
import { dockerTest } from '../helpers/docker.ts'

const BASE = ['--image', 'base', '-q']

dockerTest(
  'commits of a task come home by merge and branch with their authors; the checkout is theirs before',
  async () => {
    using repository = testRepository({ 'a.txt': 'one\n', 'b.txt': 'b\n' })
    const cwd = repository.path
    const before = repository.git('rev-parse', 'HEAD')
    const script =
      'echo two >> a.txt && git commit -qam Inside --author "Eve <eve@example.org>" && echo rest > rest.txt'
    const run = ['run', ...BASE, '--sandbox', 'repo_write', '--', 'sh', '-c', script]
    expect(await openexec(run, { cwd })).toMatchObject({ code: 0 })
    expect(repository.git('rev-parse', 'HEAD')).toBe(before)
    const id = await newestRun(cwd)

    const branch = await openexec(['branch', id, '--json'], { cwd })
    expect(branch).toMatchObject({ code: 0 })
    expect(JSON.parse(branch.stdout)).toMatchObject({ branch: `openexec/${id}` })
    expect(repository.git('log', '--format=%an', `openexec/${id}`, '-2')).toBe('OpenExec\nEve\n')
    expect(await openexec(['branch', id], { cwd })).toMatchObject({ code: 1 })

    repository.write('b.txt', 'edited\n')
    const merge = await openexec(['merge', id], { cwd })
    expect(merge.stdout).toMatch(
      /^Run moved forward to "\w+" \(\w{12}\): 2 files changed by the run\n$/,
    )
    expect(repository.git('status', '--short')).toBe(' M b.txt\n')
    expect(readFileSync(join(cwd, 'rest.txt'), 'utf8')).toBe('rest\n')
    expect((await openexec(['merge', id], { cwd })).stdout).toMatch(/^Nothing to merge: /)
    await expectNothingLeft(repository)
  },
)

dockerTest('a fork goes on with the files of a checkpoint, and brings all of them', async () => {
  using repository = testRepository({ 'a.txt': 'one\n' })
  const cwd = repository.path
  const first = ['run', ...BASE, '--', 'sh', '-c', 'echo two >> a.txt; echo new > made.txt']
  expect(await openexec(first, { cwd })).toMatchObject({ code: 0 })
  const id = await newestRun(cwd)
  const script = 'cat made.txt && git status --short && echo three >> a.txt'
  const fork = await openexec(['fork', id, '-q', '--', 'sh', '-c', script], { cwd })
  expect(fork).toMatchObject({ code: 0, stdout: 'new\n' })
  const forked = await newestRun(cwd)
  const diff = await openexec(['diff', forked, '--name-only'], { cwd })
  expect(diff.stdout).toBe('a.txt\nmade.txt\n')

  const several = await openexec(['fork', id, '-n', '2', '--json', '--', 'true'], { cwd })
  expect(several.code).toBe(0)
  expect(several.stdout.trimEnd().split('\n')).toHaveLength(2)
  expect(await openexec(['fork', id, '--at', 'nowhere'], { cwd })).toMatchObject({ code: 2 })

  // Results of a fork outlive the run it was forked from.
  expect(await openexec(['gc', '--older-than', '1s', '--keep', '3'], { cwd })).toMatchObject({
    code: 0,
  })
  expect((await openexec(['apply', forked], { cwd })).stdout).toMatch(/^Applied 2 files/)
  expect(readFileSync(join(cwd, 'a.txt'), 'utf8')).toBe('one\ntwo\nthree\n')
  expect(existsSync(join(cwd, 'made.txt'))).toBe(true)
  await expectNothingLeft(repository)
})
