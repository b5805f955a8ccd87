/** What an agent would read first, and how it is measured; no engine is asked. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ContextPack, RecallReport } from '../../src/schema/index.ts'
import { leftInRepository, openexec, testRepository, type TestRepository } from '../helpers/cli.ts'

const env = { DOCKER_HOST: 'unix:///nowhere/engine.sock' }

const FILES = {
  'src/sum.js': 'export function sumList(list) {\n  return 0\n}\n',
  'src/secret-sum.js': 'export const sumList = 1 // private\n',
  'docs/guide.md': '# How to sum\n',
  '.env': 'SUM_TOKEN=abcdefgh12345678\n',
  'openexec.policy.yaml':
    'version: 1\nsandbox: workspace_write\npaths: { deny_read: ["src/secret-*"] }\n',
}

async function packOf({ path: cwd }: TestRepository, ...args: string[]): Promise<ContextPack> {
  const { code, stdout, stderr } = await openexec(['context', ...args, '--json'], { cwd, env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return ContextPack.parse(JSON.parse(stdout))
}

test('context prints the same pack again, from what it remembers', async () => {
  using repository = testRepository(FILES)
  const before = repository.digest()
  const first = await packOf(repository, 'sumList() is wrong')
  const again = await packOf(repository, 'sumList() is wrong')
  expect(again).toEqual(first)
  expect(first.items[0]).toMatchObject({ path: 'src/sum.js', kind: 'file' })
  expect(leftInRepository(repository)).toEqual([])
  expect(repository.digest()).toBe(before)
})

test('context keeps to the policy and shows no secret', async () => {
  using repository = testRepository(FILES)
  const pack = await packOf(repository, 'sumList in src/secret-sum.js and .env')
  expect(JSON.stringify(pack.items)).not.toMatch(/private|abcdefgh12345678/)
  expect(pack.items.map(({ path }) => path)).toContain('src/sum.js')
})

test('context follows a log and shows what changed', async () => {
  using repository = testRepository(FILES)
  repository.git('tag', 'before')
  writeFileSync(join(repository.path, 'src/sum.js'), 'export function sumList() {\n  return 1\n}\n')
  repository.git('commit', '--quiet', '--all', '--message', 'Return one from the sum')
  const log = join(repository.path, 'test.log')
  writeFileSync(log, 'Error\n    at sumList (/ci/src/sum.js:2:3)\n')
  const pack = await packOf(repository, 'It fails', '--log', log, '--since', 'before')
  expect(pack.items.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['log', 'diff']))
  expect(pack.items.find(({ kind }) => kind === 'diff')?.text).toContain('+  return 1')
  expect(pack.items.find(({ kind }) => kind === 'file')?.reasons[0]).toBe(
    'the task names src/sum.js:2',
  )
})

test('context says what is wrong with its options', async () => {
  using repository = testRepository(FILES)
  const run = (...args: string[]) => openexec(['context', ...args], { cwd: repository.path, env })
  expect(await run('x', '--budget', '10')).toMatchObject({ code: 2 })
  expect((await run('x', '--log', 'no.log')).stderr).toContain('no.log')
  expect((await run('x', '--ref', 'nope')).stderr).toContain('Cannot find ref "nope"')
})

test('bench context measures on the history of a repository', async () => {
  using repository = testRepository(FILES)
  const cwd = repository.path
  const none = await openexec(['bench', 'context'], { cwd, env })
  expect(none).toMatchObject({ code: 2, stdout: '' })
  expect(none.stderr).toContain('no commit changes 1 to 20 files')
  writeFileSync(join(cwd, 'src/sum.js'), 'export const sumList = (list) => list.length\n')
  repository.git('commit', '--quiet', '--all', '--message', 'Make sumList count the list')
  const { code, stdout } = await openexec(['bench', 'context', '--baseline', '--json'], {
    cwd,
    env,
  })
  expect(code).toBe(0)
  const report = RecallReport.parse(JSON.parse(stdout))
  expect(report).toMatchObject({ commits: 1, ranked: { recall_at_10: 1, mrr: 1 } })
  expect(report.plain_words).toBeDefined()
})
